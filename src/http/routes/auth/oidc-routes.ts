import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  beginLinking,
  beginSignInElsewhere,
  exchangeSignInCode,
  finishSignInElsewhere,
  type OidcDependencies,
} from '../../../accounts/index.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { type BrowserCookie, browserCookie } from './browser-cookie.ts';
import {
  OidcCallbackQuery,
  OidcLink,
  OidcLinkBody,
  OidcLoginQuery,
  OidcTokenBody,
  ProviderParams,
  SignedIn as SignedInSchema,
} from './schema.ts';
import { MAX_CREDENTIALS_BYTES, NOT_STORED, signedInToJson } from './signed-in.ts';

const OPEN: RouteAccess = { kind: 'open' };
const SESSION_ONLY: RouteAccess = { kind: 'user', scope: null };
const tags = ['auth'];

/** Signing in at an OpenID Connect provider: the browser is sent there, comes back, and brings a sign-in. */
export function oidcRoutes(app: App, deps: OidcDependencies): void {
  const cookie = browserCookie(deps.publicUrl);
  browserRoutes(app, deps, cookie);

  app.post(
    '/auth/oidc/:provider/link',
    {
      config: { access: SESSION_ONLY },
      bodyLimit: MAX_CREDENTIALS_BYTES,
      schema: {
        tags,
        summary: 'Begin to add an account at an identity provider to yours',
        params: ProviderParams,
        body: OidcLinkBody,
        response: { 200: OidcLink, ...problemResponses(413, 415) },
      },
    },
    async (request, reply) => {
      const { password } = request.body;
      const { authorizationUrl, browserSecret } = await beginLinking(deps, request.subject, {
        ...signInOf(request.params.provider, request.body, cookie.read(request)),
        password,
        clientAddress: request.ip,
      });
      return reply
        .headers({ ...NOT_STORED, 'set-cookie': cookie.write(browserSecret) })
        .send({ authorization_url: authorizationUrl });
    },
  );

  app.post(
    '/auth/oidc/token',
    {
      config: { access: OPEN },
      bodyLimit: MAX_CREDENTIALS_BYTES,
      schema: {
        tags,
        summary: 'Exchange the code that the browser has brought back for tokens',
        body: OidcTokenBody,
        response: { 200: SignedInSchema, ...problemResponses(413, 415, 422) },
      },
    },
    async (request, reply) => {
      const { code, code_verifier: codeVerifier } = request.body;
      const signedIn = await exchangeSignInCode(deps, { code, codeVerifier });
      return reply.headers(NOT_STORED).send(signedInToJson(signedIn));
    },
  );
}

/** For browsers, which follow where they are sent. */
function browserRoutes(app: App, deps: OidcDependencies, cookie: BrowserCookie): void {
  app.get(
    '/auth/oidc/:provider/login',
    {
      config: { access: OPEN },
      schema: {
        tags,
        summary: 'Go to an identity provider to sign in',
        params: ProviderParams,
        querystring: OidcLoginQuery,
        response: { 302: z.null(), ...problemResponses() },
      },
    },
    async (request, reply) => {
      const signIn = signInOf(request.params.provider, request.query, cookie.read(request));
      const { authorizationUrl, browserSecret } = await beginSignInElsewhere(deps, signIn);
      return reply
        .headers({ ...NOT_STORED, 'set-cookie': cookie.write(browserSecret) })
        .redirect(authorizationUrl, 302);
    },
  );

  app.get(
    '/auth/oidc/:provider/callback',
    {
      config: { access: OPEN },
      schema: {
        tags,
        summary: 'Come back from an identity provider',
        params: ProviderParams,
        querystring: OidcCallbackQuery,
        response: { 200: SignedInSchema, 303: z.null(), ...problemResponses(409) },
      },
    },
    async (request, reply) => {
      const outcome = await finishSignInElsewhere(deps, {
        provider: request.params.provider,
        browserSecret: cookie.read(request),
        state: request.query.state,
        search: searchOf(request),
      });
      if (outcome.kind === 'return') return reply.headers(NOT_STORED).redirect(outcome.url, 303);
      return reply.headers(NOT_STORED).send(signedInToJson(outcome.signedIn));
    },
  );
}

function signInOf(
  provider: string,
  {
    return_to: returnTo,
    code_challenge: codeChallenge,
  }: { return_to?: string | undefined; code_challenge?: string | undefined },
  browserSecret: string | null,
) {
  const target = returnTo === undefined || codeChallenge === undefined ? null : { returnTo, codeChallenge };
  return { provider, browserSecret, target };
}

/** As it came: the checks of the protocol are for the very words of the provider. */
function searchOf({ raw }: FastifyRequest): string {
  const url = raw.url ?? '';
  const at = url.indexOf('?');
  return at < 0 ? '' : url.slice(at);
}
