import type { z } from 'zod';
import { toTimestamp } from '../../../base/timestamps.ts';
import type { Database } from '../../../db/database.ts';
import {
  changeLimits,
  type OwnLimits,
  type QuotaDefaults,
  type QuotaState,
  readGroupQuota,
  readOwnQuota,
  readQuota,
} from '../../../quotas/index.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { GroupParams, Quota, QuotaBody, Usage, UserParams } from './schema.ts';

const READ: RouteAccess = { kind: 'user', scope: 'read' };
const TAGS = ['quotas'];
const SUPER_ADMIN: RouteAccess = { kind: 'system', roles: ['super_admin'] };

export function quotaRoutes(app: App, deps: { db: Database; quotas: QuotaDefaults }): void {
  app.get(
    '/users/me/usage',
    {
      config: { access: READ },
      schema: { tags: TAGS, summary: 'What you have and may have', response: { 200: Usage, ...problemResponses() } },
    },
    async (request) => usageToJson(await readOwnQuota(deps, request.subject)),
  );

  app.get(
    '/groups/:group_id/usage',
    {
      config: { access: READ },
      schema: {
        tags: TAGS,
        summary: 'What is shared with a group and may be; for its members',
        params: GroupParams,
        response: { 200: Usage, ...problemResponses() },
      },
    },
    async (request) => usageToJson(await readGroupQuota(deps, request.subject, request.params.group_id)),
  );

  app.get(
    '/admin/quotas/users/:user_id',
    {
      config: { access: SUPER_ADMIN },
      schema: readSchema('What a user has and may have; for super_admin', UserParams),
    },
    async (request) => quotaToJson(await readQuota(deps, { kind: 'user', id: request.params.user_id })),
  );

  app.get(
    '/admin/quotas/groups/:group_id',
    {
      config: { access: SUPER_ADMIN },
      schema: readSchema('What a group has and may have; for super_admin', GroupParams),
    },
    async (request) => quotaToJson(await readQuota(deps, { kind: 'group', id: request.params.group_id })),
  );

  app.put(
    '/admin/quotas/users/:user_id',
    { config: { access: SUPER_ADMIN }, schema: changeSchema('Set the limits of a user; for super_admin', UserParams) },
    async (request) => {
      const holder = { kind: 'user', id: request.params.user_id } as const;
      return quotaToJson(await changeLimits(deps, request.subject, holder, toLimits(request.body)));
    },
  );

  app.put(
    '/admin/quotas/groups/:group_id',
    {
      config: { access: SUPER_ADMIN },
      schema: changeSchema('Set the limits of a group; for super_admin', GroupParams),
    },
    async (request) => {
      const holder = { kind: 'group', id: request.params.group_id } as const;
      return quotaToJson(await changeLimits(deps, request.subject, holder, toLimits(request.body)));
    },
  );
}

function readSchema<P extends z.ZodType>(summary: string, params: P) {
  return { tags: TAGS, summary, params, response: { 200: Quota, ...problemResponses() } };
}

function changeSchema<P extends z.ZodType>(summary: string, params: P) {
  const description = 'A field that is left out is as for all others.';
  return {
    tags: TAGS,
    summary,
    description,
    params,
    body: QuotaBody,
    response: { 200: Quota, ...problemResponses(413, 415) },
  };
}

function toLimits({ documents, bytes, chunks, tokens_per_day }: z.infer<typeof QuotaBody>): OwnLimits {
  return {
    ...(documents !== undefined && { documents }),
    ...(bytes !== undefined && { bytes }),
    ...(chunks !== undefined && { chunks }),
    ...(tokens_per_day !== undefined && { tokensPerDay: tokens_per_day }),
  };
}

function quotaToJson(state: QuotaState): z.infer<typeof Quota> {
  const { tokensPerDay, ...stock } = state.ownLimits;
  return {
    usage: usageToJson(state),
    own_limits: { ...stock, ...(tokensPerDay !== undefined && { tokens_per_day: tokensPerDay }) },
  };
}

function usageToJson({ documents, bytes, chunks, tokensPerDay, tokensResetAt }: QuotaState): z.infer<typeof Usage> {
  return { documents, bytes, chunks, tokens_today: { ...tokensPerDay, resets_at: toTimestamp(tokensResetAt) } };
}
