import helmet from '@fastify/helmet';
import multipart from '@fastify/multipart';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import {
  jsonSchemaTransform,
  jsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod';
import type { AnswerDependencies } from '../answers/index.ts';
import type { Storage } from '../storage/index.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { App } from './app-types.ts';
import { limitRates } from './plugins/limit-rates.ts';
import { type AccessRules, requireAccess } from './plugins/require-access.ts';
import { requestIdOf, traceRequests } from './plugins/trace-requests.ts';
import { sendNotFound, sendProblem } from './problem.ts';
import { type AuthRouteDependencies, authRoutes } from './routes/auth/routes.ts';
import { documentRoutes } from './routes/documents/routes.ts';
import { healthRoutes, type ReadinessChecks } from './routes/health/routes.ts';
import { ingestRoutes } from './routes/ingest/routes.ts';
import { jobRoutes } from './routes/jobs/routes.ts';
import { searchRoutes } from './routes/search/routes.ts';

export interface AppDependencies {
  log: Logger;
  version: string;
  access: AccessRules;
  auth: AuthRouteDependencies;
  answers: AnswerDependencies;
  storage: Storage;
  checks: ReadinessChecks;
  checkUrl(url: string): void;
  maxUploadBytes: number;
  /** Null: no limits. */
  ratePerMinute: number | null;
  trustProxy: readonly string[];
  /** Aborts when the server begins to stop. */
  stopping: AbortSignal;
}

/** Small JSON bodies: what is long is uploaded. */
const JSON_BODY_BYTES = 1_048_576;
const MAX_FORM_FIELDS = 100;
const MAX_FIELD_BYTES = 65_536;

/** The whole API without a port, so that tests can inject requests. */
export async function buildApp(deps: AppDependencies): Promise<FastifyInstance> {
  const server = Fastify({
    loggerInstance: deps.log,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: (request) => requestIdOf(request.headers),
    trustProxy: deps.trustProxy.length === 0 ? false : [...deps.trustProxy],
    bodyLimit: JSON_BODY_BYTES,
    // A slow request that is still sending is cut by the socket, not by the length of an upload.
    requestTimeout: 0,
    routerOptions: { maxParamLength: 200 },
  });
  const app = server.withTypeProvider() as unknown as App;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(sendProblem);
  app.setNotFoundHandler(sendNotFound);
  // A text body would reach the handlers without having met a schema.
  app.removeContentTypeParser('text/plain');

  traceRequests(app);
  await app.register(helmet, {
    // Plain HTTP on loopback and behind a proxy is how anyrag runs; this directive would break its page there.
    contentSecurityPolicy: { directives: { 'upgrade-insecure-requests': null } },
  });
  await app.register(multipart, {
    limits: { files: 2, fields: MAX_FORM_FIELDS, fieldSize: MAX_FIELD_BYTES, fileSize: deps.maxUploadBytes + 1 },
  });
  await describeApi(app, deps.version);
  await app.register(async (scope) => {
    const routes = scope as unknown as App;
    requireAccess(routes, deps.access);
    if (deps.ratePerMinute !== null) await limitRates(routes, { perMinute: deps.ratePerMinute });
    healthRoutes(routes, deps.checks);
    authRoutes(routes, deps.auth);
    ingestRoutes(routes, { ...deps, db: deps.answers.db });
    jobRoutes(routes, { db: deps.answers.db, stopping: deps.stopping });
    documentRoutes(routes, { db: deps.answers.db, storage: deps.storage });
    searchRoutes(routes, deps.answers);
    routes.get(
      '/openapi.json',
      { config: { access: { kind: 'open' } }, schema: { hide: true } },
      async (_request, reply) => reply.type('application/json').send(JSON.stringify(server.swagger())),
    );
  });
  return server as unknown as FastifyInstance;
}

async function describeApi(app: App, version: string): Promise<void> {
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
      security: [{ bearer: [] }, {}],
    },
    transform: jsonSchemaTransform,
    transformObject: jsonSchemaTransformObject,
  });
  await app.register(swaggerUi, { routePrefix: '/docs', staticCSP: true });
}
