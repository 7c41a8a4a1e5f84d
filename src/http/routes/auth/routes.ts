import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import {
  type ApiKey,
  apiKeyToJson,
  createApiKey,
  listApiKeys,
  login,
  logout,
  logoutEverywhere,
  me,
  type OidcDependencies,
  type Profile,
  refresh,
  register,
  removeApiKey,
} from '../../../accounts/index.ts';
import { decodeCursor, encodeCursor } from '../../../base/cursor.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { instantToMs, pageOf } from '../../schemas.ts';
import { oidcRoutes } from './oidc-routes.ts';
import { passwordRoutes } from './password-routes.ts';
import {
  ApiKeyBody,
  ApiKeyList,
  ApiKeyParams,
  ApiKeyQuery,
  CheckMail,
  CreatedApiKey,
  KeySet,
  LoginBody,
  Me,
  RefreshBody,
  RefreshHeaders,
  RegisterBody,
  SignedIn as SignedInSchema,
} from './schema.ts';
import { MAX_CREDENTIALS_BYTES, NOT_STORED, signedInToJson } from './signed-in.ts';

export type AuthRouteDependencies = OidcDependencies;

const OPEN: RouteAccess = { kind: 'open' };
/** A key neither ends sessions nor makes, shows or deletes keys: a leaked one must not outlive its own deletion. */
const SESSION_ONLY: RouteAccess = { kind: 'user', scope: null };
/** How long others may keep our public keys. */
const KEY_SET_MAX_AGE_SECONDS = 300;

export function authRoutes(app: App, deps: AuthRouteDependencies): void {
  sessionRoutes(app, deps);
  passwordRoutes(app, deps);
  oidcRoutes(app, deps);
  apiKeyRoutes(app, deps);

  app.get(
    '/.well-known/jwks.json',
    {
      config: { access: OPEN },
      schema: {
        tags: ['auth'],
        summary: 'Public keys that verify access tokens',
        response: { 200: KeySet, ...problemResponses() },
      },
    },
    async (_request, reply) => {
      reply.header('cache-control', `public, max-age=${KEY_SET_MAX_AGE_SECONDS}`);
      return { keys: (await deps.keys.publicKeys()) as z.infer<typeof KeySet>['keys'] };
    },
  );
}

function sessionRoutes(app: App, deps: AuthRouteDependencies): void {
  const tags = ['auth'];

  app.post(
    '/auth/register',
    {
      config: { access: OPEN },
      bodyLimit: MAX_CREDENTIALS_BYTES,
      schema: {
        tags,
        summary: 'Make an account, and sign in unless the address has to be verified first',
        body: RegisterBody,
        response: { 201: SignedInSchema, 202: CheckMail, ...problemResponses(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const { email, password, name, invitation_token } = request.body;
      const outcome = await register(deps, { email, password, name, invitationToken: invitation_token });
      if (outcome.kind === 'check_mail') return reply.code(202).headers(NOT_STORED).send({ status: outcome.kind });
      return reply.code(201).headers(NOT_STORED).send(signedInToJson(outcome.signedIn));
    },
  );

  app.post(
    '/auth/login',
    {
      config: { access: OPEN },
      bodyLimit: MAX_CREDENTIALS_BYTES,
      schema: {
        tags,
        summary: 'Sign in',
        body: LoginBody,
        response: { 200: SignedInSchema, ...problemResponses(413, 415) },
      },
    },
    async (request, reply) => {
      const signedIn = await login(deps, { ...request.body, clientAddress: request.ip });
      return reply.headers(NOT_STORED).send(signedInToJson(signedIn));
    },
  );

  app.post(
    '/auth/refresh',
    {
      config: { access: OPEN },
      bodyLimit: MAX_CREDENTIALS_BYTES,
      schema: {
        tags,
        summary: 'Exchange a refresh token for the next pair of tokens',
        headers: RefreshHeaders,
        body: RefreshBody,
        response: { 200: SignedInSchema, ...problemResponses(413, 415) },
      },
    },
    async (request, reply) => {
      const repeatKey = request.headers['idempotency-key'];
      const signedIn = await refresh(deps, { refreshToken: request.body.refresh_token, repeatKey });
      return reply.headers(NOT_STORED).send(signedInToJson(signedIn));
    },
  );

  app.post(
    '/auth/logout',
    {
      config: { access: SESSION_ONLY },
      schema: { tags, summary: 'End this session at once', response: { 204: z.null(), ...problemResponses(413, 415) } },
    },
    async (request, reply) => {
      await logout(deps, request.subject);
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/auth/logout-everywhere',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'End all your sessions at once, this one too',
        response: { 204: z.null(), ...problemResponses(413, 415) },
      },
    },
    async (request, reply) => {
      await logoutEverywhere(deps, request.subject);
      return reply.code(204).send(null);
    },
  );

  app.get(
    '/auth/me',
    {
      config: { access: { kind: 'user', scope: 'read' } },
      schema: { tags, summary: 'Who you are', response: { 200: Me, ...problemResponses() } },
    },
    async (request) => profileToJson(await me(deps, request.subject)),
  );
}

function apiKeyRoutes(app: App, deps: AuthRouteDependencies): void {
  const tags = ['auth'];

  app.post(
    '/auth/api-keys',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Make an API key; its secret is shown this once',
        body: ApiKeyBody,
        response: { 201: CreatedApiKey, ...problemResponses(413, 415) },
      },
    },
    async (request, reply) => {
      const { name, scopes, level_cap: levelCap, group_id: groupId, expires_at } = request.body;
      const expiresAt = typeof expires_at === 'string' ? instantToMs(expires_at) : null;
      const { key, secret } = await createApiKey(deps, request.subject, {
        name,
        scopes,
        levelCap,
        groupId,
        expiresAt,
      });
      return sendCreatedKey(reply, key, secret);
    },
  );

  app.get(
    '/auth/api-keys',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Your API keys, newest first',
        querystring: ApiKeyQuery,
        response: { 200: ApiKeyList, ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? null : positionIn(cursor);
      const keys = await listApiKeys(deps, request.subject, { before, limit: limit + 1 });
      return pageOf(keys, limit, apiKeyToJson, ({ createdAt, keyId }) => encodeCursor([createdAt, keyId]));
    },
  );

  app.delete(
    '/auth/api-keys/:key_id',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Delete an API key',
        params: ApiKeyParams,
        response: { 204: z.null(), ...problemResponses() },
      },
    },
    async (request, reply) => {
      await removeApiKey(deps, request.subject, request.params.key_id);
      return reply.code(204).send(null);
    },
  );
}

function sendCreatedKey(reply: FastifyReply, key: ApiKey, secret: string) {
  return reply
    .code(201)
    .headers(NOT_STORED)
    .send({ ...apiKeyToJson(key), secret });
}

function positionIn(cursor: string) {
  const [createdAt, keyId] = decodeCursor(cursor, ['number', 'string']);
  return { createdAt, keyId };
}

function profileToJson(profile: Profile) {
  return {
    user_id: profile.userId,
    email: profile.email,
    name: profile.name,
    system_roles: profile.systemRoles,
    groups: profile.groups.map(({ groupId, name, role }) => ({ group_id: groupId, name, role })),
  };
}
