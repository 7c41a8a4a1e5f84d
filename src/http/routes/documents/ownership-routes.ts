import { z } from 'zod';
import { decodeCursor, encodeCursor } from '../../../base/cursor.ts';
import { toTimestamp } from '../../../base/timestamps.ts';
import type { Database } from '../../../db/database.ts';
import {
  acceptTransfer,
  declineTransfer,
  listTransfers,
  offerTransfer,
  publishDocument,
  type Transfer,
  withdrawTransfer,
} from '../../../documents/index.ts';
import type { QuotaDefaults } from '../../../quotas/index.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { PageQuery, pageOf } from '../../schemas.ts';
import { documentToJson } from './document-json.ts';
import {
  DocumentParams,
  Document as DocumentSchema,
  TransferBody,
  TransferList,
  Transfer as TransferSchema,
} from './schema.ts';

/** A leaked key must not give away what its user owns. */
const SESSION_ONLY: RouteAccess = { kind: 'user', scope: null };

export function ownershipRoutes(app: App, { db, quotas }: { db: Database; quotas: QuotaDefaults }): void {
  const tags = ['documents'];

  app.get(
    '/transfers',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Documents you offer and that are offered to you, newest first',
        querystring: PageQuery,
        response: { 200: TransferList, ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const before = cursor === undefined ? null : positionIn(cursor);
      const transfers = await listTransfers({ db }, request.subject, { before, limit: limit + 1 });
      return pageOf(transfers, limit, toJson, ({ createdAt, documentId }) => encodeCursor([createdAt, documentId]));
    },
  );

  app.post(
    '/documents/:document_id/transfer',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Offer a document to its next owner, who has seven days to accept',
        params: DocumentParams,
        body: TransferBody,
        response: { 201: TransferSchema, ...problemResponses(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const { document_id } = request.params;
      const transfer = await offerTransfer({ db }, request.subject, document_id, request.body.user_id);
      return reply.code(201).send(toJson(transfer));
    },
  );

  app.delete(
    '/documents/:document_id/transfer',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Take the offer of a document back',
        params: DocumentParams,
        response: { 204: z.null(), ...problemResponses() },
      },
    },
    async (request, reply) => {
      await withdrawTransfer({ db }, request.subject, request.params.document_id);
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/documents/:document_id/transfer/accept',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Become the owner of a document that was offered to you',
        params: DocumentParams,
        response: { 200: DocumentSchema, ...problemResponses(409, 413, 415) },
      },
    },
    async (request) =>
      documentToJson(await acceptTransfer({ db, quotas }, request.subject, request.params.document_id)),
  );

  app.post(
    '/documents/:document_id/transfer/decline',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Refuse a document that was offered to you',
        params: DocumentParams,
        response: { 204: z.null(), ...problemResponses(413, 415) },
      },
    },
    async (request, reply) => {
      await declineTransfer({ db }, request.subject, request.params.document_id);
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/documents/:document_id/publish',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Give a document to everybody to read, for good; needs a sign-in of the last five minutes',
        params: DocumentParams,
        response: { 200: DocumentSchema, ...problemResponses(409, 413, 415) },
      },
    },
    async (request) => documentToJson(await publishDocument({ db }, request.subject, request.params.document_id)),
  );
}

function positionIn(cursor: string) {
  const [createdAt, documentId] = decodeCursor(cursor, ['number', 'string']);
  return { createdAt, documentId };
}

function toJson(transfer: Transfer): z.infer<typeof TransferSchema> {
  return {
    document_id: transfer.documentId,
    title: transfer.title,
    from_user_id: transfer.fromUserId,
    to_user_id: transfer.toUserId,
    created_at: toTimestamp(transfer.createdAt),
    expires_at: toTimestamp(transfer.expiresAt),
  };
}
