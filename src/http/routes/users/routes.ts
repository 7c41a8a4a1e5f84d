import { z } from 'zod';
import {
  type Account,
  type AdministrationDependencies,
  changeAccount,
  grantRole,
  listAccounts,
  readAccount,
  revokeRole,
} from '../../../accounts/index.ts';
import { decodeCursor, encodeCursor } from '../../../base/cursor.ts';
import { toTimestamp } from '../../../base/timestamps.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { pageOf } from '../../schemas.ts';
import { RoleParams, UserList, UserParams, UserPatch, User as UserSchema, UsersQuery } from './schema.ts';

const SUPER_ADMIN: RouteAccess = { kind: 'system', roles: ['super_admin'] };

export function userRoutes(app: App, deps: AdministrationDependencies): void {
  const tags = ['users'];

  app.get(
    '/users',
    {
      config: { access: SUPER_ADMIN },
      schema: {
        tags,
        summary: 'All accounts, newest first',
        querystring: UsersQuery,
        response: { 200: UserList, ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor, status, role, email } = request.query;
      const filter = { status: status ?? null, role: role ?? null, email: email ?? null };
      const before = cursor === undefined ? null : positionIn(cursor);
      const accounts = await listAccounts(deps, request.subject, filter, { before, limit: limit + 1 });
      return pageOf(accounts, limit, toJson, ({ createdAt, userId }) => encodeCursor([createdAt, userId]));
    },
  );

  app.get(
    '/users/:user_id',
    {
      config: { access: SUPER_ADMIN },
      schema: { tags, summary: 'An account', params: UserParams, response: { 200: UserSchema, ...problemResponses() } },
    },
    async (request) => toJson(await readAccount(deps, request.subject, request.params.user_id)),
  );

  app.patch(
    '/users/:user_id',
    {
      config: { access: SUPER_ADMIN },
      schema: {
        tags,
        summary: 'Rename, disable or enable an account',
        params: UserParams,
        body: UserPatch,
        response: { 200: UserSchema, ...problemResponses(409, 413, 415) },
      },
    },
    async (request) => toJson(await changeAccount(deps, request.subject, request.params.user_id, request.body)),
  );

  for (const [method, change, summary] of [
    ['put', grantRole, 'Give a system role; needs a sign-in of the last five minutes'],
    ['delete', revokeRole, 'Take a system role away; needs a sign-in of the last five minutes'],
  ] as const) {
    app[method](
      '/users/:user_id/roles/:role',
      {
        config: { access: SUPER_ADMIN },
        schema: { tags, summary, params: RoleParams, response: { 204: z.null(), ...problemResponses(409) } },
      },
      async (request, reply) => {
        await change(deps, request.subject, request.params.user_id, request.params.role);
        return reply.code(204).send(null);
      },
    );
  }
}

function positionIn(cursor: string) {
  const [createdAt, userId] = decodeCursor(cursor, ['number', 'string']);
  return { createdAt, userId };
}

function toJson(account: Account): z.infer<typeof UserSchema> {
  return {
    user_id: account.userId,
    email: account.email,
    name: account.name,
    status: account.status,
    system_roles: account.systemRoles,
    created_at: toTimestamp(account.createdAt),
    updated_at: toTimestamp(account.updatedAt),
  };
}
