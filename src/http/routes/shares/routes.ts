import { z } from 'zod';
import {
  endShare,
  listSharesOfDocument,
  listSharesWithGroup,
  type Share,
  shareDocument,
} from '../../../accounts/index.ts';
import { decodeCursor, encodeCursor } from '../../../base/cursor.ts';
import { toTimestamp, toTimestampOrNull } from '../../../base/timestamps.ts';
import type { Database } from '../../../db/database.ts';
import { AppError } from '../../../errors/app-error.ts';
import type { QuotaDefaults } from '../../../quotas/index.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { optionalInstantToMs, pageOf } from '../../schemas.ts';
import { ShareBody, ShareList, ShareParams, Share as ShareSchema, SharesQuery } from './schema.ts';

const MANAGE: RouteAccess = { kind: 'user', scope: 'manage' };

export function shareRoutes(app: App, { db, quotas }: { db: Database; quotas: QuotaDefaults }): void {
  const tags = ['shares'];

  app.post(
    '/shares',
    {
      config: { access: MANAGE },
      schema: {
        tags,
        summary: 'Share a document with a user or group; again: change the share',
        body: ShareBody,
        response: { 200: ShareSchema, 201: ShareSchema, ...problemResponses(409, 413, 415, 422) },
      },
    },
    async (request, reply) => {
      const { resource_id, grantee_type, grantee_id, permission, expires_at } = request.body;
      const { share, isNew } = await shareDocument({ db, quotas }, request.subject, {
        documentId: resource_id,
        grantee: { type: grantee_type, id: grantee_id },
        permission,
        expiresAt: optionalInstantToMs(expires_at) ?? null,
      });
      return reply.code(isNew ? 201 : 200).send(toJson(share));
    },
  );

  app.get(
    '/shares',
    {
      config: { access: MANAGE },
      schema: {
        tags,
        summary: 'Shares of a document you manage, or with a group you are an editor or admin of; newest first',
        querystring: SharesQuery,
        response: { 200: ShareList, ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const page = { beforeId: cursor === undefined ? null : decodeCursor(cursor, ['string'])[0], limit: limit + 1 };
      const about = subjectOfList(request.query);
      const shares =
        'groupId' in about
          ? await listSharesWithGroup({ db }, request.subject, about.groupId, page)
          : await listSharesOfDocument({ db }, request.subject, about.documentId, page);
      return pageOf(shares, limit, toJson, ({ shareId }) => encodeCursor([shareId]));
    },
  );

  app.delete(
    '/shares/:share_id',
    {
      config: { access: MANAGE },
      schema: {
        tags,
        summary: 'End a share',
        params: ShareParams,
        response: { 204: z.null(), ...problemResponses() },
      },
    },
    async (request, reply) => {
      await endShare({ db }, request.subject, request.params.share_id);
      return reply.code(204).send(null);
    },
  );
}

function subjectOfList(query: z.infer<typeof SharesQuery>): { documentId: string } | { groupId: string } {
  const { resource_type, resource_id, group_id } = query;
  if (group_id !== undefined && resource_id === undefined && resource_type === undefined) return { groupId: group_id };
  if (group_id === undefined && resource_id !== undefined && resource_type !== undefined)
    return { documentId: resource_id };
  const message = 'resource_type and resource_id, or group_id alone';
  throw new AppError('validation_failed', message, { errors: [{ path: 'query.resource_id', message }] });
}

function toJson(share: Share): z.infer<typeof ShareSchema> {
  return {
    share_id: share.shareId,
    resource_type: share.resourceType,
    resource_id: share.resourceId,
    grantee_type: share.grantee.type,
    grantee_id: share.grantee.id,
    permission: share.permission,
    created_at: toTimestamp(share.createdAt),
    expires_at: toTimestampOrNull(share.expiresAt),
  };
}
