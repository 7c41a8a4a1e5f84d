import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { App, RouteAccess } from './app-types.ts';
import { problemResponses } from './problem-schema.ts';

/** The contract at `/openapi.json` and its page at `/docs`, made of the routes' own schemas. */
export async function describeApi(app: App, version: string): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'anyrag',
        version,
        description: 'Documents in, answers with citations out.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => tidyComponents(jsonSchemaTransformObject(document) as Document) as never,
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    transformStaticCSP: ownPagePolicy,
    // Else the browser tells a stranger where the document lies, to show a badge.
    uiConfig: { validatorUrl: null },
  });
}

/** Nothing of others, and no HTTPS demanded where the page itself came by HTTP: its parts would not be found. */
function ownPagePolicy(policy: string): string {
  return policy.replace(/ (?:validator\.swagger\.io|upgrade-insecure-requests;)/g, '').trim();
}

const Nothing = z.strictObject({});
const METHODS_WITH_BODY = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/**
 * Adds to each route what holds for all of them, so that none can forget it: which credentials it takes, that a query
 * parameter it does not know is refused, and that a body may be too large or of the wrong type even where none is expected.
 */
export function completeSchemas(app: App): void {
  app.addHook('onRoute', (route) => {
    const hasBody = [route.method].flat().some((method) => METHODS_WITH_BODY.has(method));
    const access = route.config?.access;
    route.schema = {
      security: securityOf(access),
      ...(access?.kind !== 'open' && { querystring: Nothing }),
      ...route.schema,
      response: {
        ...(hasBody ? problemResponses(413, 415) : problemResponses()),
        ...(route.schema?.response as Record<string, unknown>),
      },
    };
  });
}

const BEARER = { bearer: [] };
/** Guests are let in by some routes, as far as the operator allows it. */
const NO_CREDENTIALS = {};

function securityOf(access: RouteAccess | undefined): Record<string, string[]>[] {
  switch (access?.kind) {
    case 'open':
      return [];
    case 'read':
    case 'ingest':
    case 'job':
    case 'metrics':
      return [BEARER, NO_CREDENTIALS];
    default:
      return [BEARER];
  }
}

interface Document {
  paths: unknown;
  components: { schemas: Record<string, unknown> };
}

/**
 * The generator writes each named schema twice, as input and as output. Only those that are referred to are kept, and `XInput`
 * is called `X` where no output has that name.
 */
function tidyComponents(document: Document): Document {
  const { schemas } = document.components;
  const used = referredTo(document.paths, schemas);
  const plainNames = new Map([...used].map((name) => [name, plainName(name, used)]));
  const renamed = JSON.parse(JSON.stringify(document), (key, value) =>
    key === '$ref' ? `${PREFIX}${plainNames.get(nameIn(value))}` : value,
  ) as Document;
  const kept = [...used].sort().map((name) => [plainNames.get(name)!, renamed.components.schemas[name]]);
  return { ...renamed, components: { ...renamed.components, schemas: Object.fromEntries(kept) } };
}

const PREFIX = '#/components/schemas/';

function nameIn(reference: string): string {
  return reference.slice(PREFIX.length);
}

function plainName(name: string, used: ReadonlySet<string>): string {
  const plain = name.replace(/Input$/, '');
  return used.has(plain) ? name : plain;
}

function referredTo(root: unknown, schemas: Record<string, unknown>): Set<string> {
  const found = new Set<string>();
  const queue = [root];
  for (const part of queue) {
    JSON.stringify(part, (key, value) => {
      if (key === '$ref' && !found.has(nameIn(value))) {
        found.add(nameIn(value));
        queue.push(schemas[nameIn(value)]);
      }
      return value;
    });
  }
  return found;
}
