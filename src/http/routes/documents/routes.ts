import { z } from 'zod';
import { credentialStands } from '../../../access/index.ts';
import { decodeCursor, encodeCursor } from '../../../base/cursor.ts';
import type { Database } from '../../../db/database.ts';
import {
  changeDocument,
  type DocumentChange,
  type DocumentChunk,
  removeDocument,
  selectChunks,
  selectDocument,
  selectDocuments,
  selectOriginalFile,
} from '../../../documents/index.ts';
import { AppError } from '../../../errors/app-error.ts';
import type { QuotaDefaults } from '../../../quotas/index.ts';
import type { PiiPolicy } from '../../../redaction/index.ts';
import type { Storage } from '../../../storage/index.ts';
import type { App } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { instantToMs, ListOf, PageQuery, pageOf } from '../../schemas.ts';
import { documentToJson } from './document-json.ts';
import { ownershipRoutes } from './ownership-routes.ts';
import {
  Chunk,
  DocumentParams,
  DocumentPatch,
  Document as DocumentSchema,
  DocumentsQuery,
  FileContent,
} from './schema.ts';
import { whileVisible } from './while-visible.ts';

export interface DocumentRouteDependencies {
  db: Database;
  storage: Storage;
  piiPolicy: PiiPolicy;
  quotas: QuotaDefaults;
}

export function documentRoutes(app: App, { db, storage, piiPolicy, quotas }: DocumentRouteDependencies): void {
  const tags = ['documents'];

  app.get(
    '/documents',
    {
      config: { access: { kind: 'read', scope: 'read' } },
      schema: {
        tags,
        summary: 'Documents you may see, newest first',
        querystring: DocumentsQuery,
        response: { 200: ListOf(DocumentSchema), ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor, group_id, owner, tag, source_type, q } = request.query;
      if (owner === 'me' && request.subject.userId === null) throw new AppError('unauthenticated');
      const rows = await selectDocuments(db, request.subject, {
        groupId: group_id ?? null,
        ownerId: owner === 'me' ? request.subject.userId : null,
        tag: tag ?? null,
        sourceType: source_type ?? null,
        titlePart: q ?? null,
        beforeId: cursor === undefined ? null : decodeCursor(cursor, ['string'])[0],
        limit: limit + 1,
      });
      return pageOf(rows, limit, documentToJson, (document) => encodeCursor([document.documentId]));
    },
  );

  app.get(
    '/documents/:document_id',
    {
      config: { access: { kind: 'read', scope: 'read' } },
      schema: {
        tags,
        summary: 'A document',
        params: DocumentParams,
        response: { 200: DocumentSchema, ...problemResponses() },
      },
    },
    async (request) => {
      const document = await selectDocument(db, request.subject, request.params.document_id);
      if (document === null) throw new AppError('not_found');
      return documentToJson(document);
    },
  );

  app.get(
    '/documents/:document_id/chunks',
    {
      config: { access: { kind: 'read', scope: 'read' } },
      schema: {
        tags,
        summary: 'The passages of a document in reading order',
        params: DocumentParams,
        querystring: PageQuery,
        response: { 200: ListOf(Chunk), ...problemResponses() },
      },
    },
    async (request) => {
      const { document_id } = request.params;
      const { limit, cursor } = request.query;
      if ((await selectDocument(db, request.subject, document_id)) === null) throw new AppError('not_found');
      const afterOrdinal = cursor === undefined ? -1 : decodeCursor(cursor, ['number'])[0];
      const rows = await selectChunks(db, request.subject, document_id, { afterOrdinal, limit: limit + 1 });
      return pageOf(rows, limit, chunkToJson, (chunk) => encodeCursor([chunk.ordinal]));
    },
  );

  app.get(
    '/documents/:document_id/content',
    {
      config: { access: { kind: 'read', scope: 'read' } },
      schema: {
        tags,
        summary: 'The original bytes',
        params: DocumentParams,
        response: {
          200: { description: 'In the media type of the file', content: { '*/*': { schema: FileContent } } },
          ...problemResponses(),
        },
      },
    },
    async (request, reply) => {
      const file = await selectOriginalFile(db, request.subject, request.params.document_id);
      if (file === null) throw new AppError('not_found');
      if (file.storageKey === null) throw new AppError('original_not_kept');
      const content = await storage.open(file.storageKey);
      const { subject } = request;
      const isVisible = async () =>
        (await selectOriginalFile(db, subject, request.params.document_id)) !== null &&
        (await credentialStands({ db }, subject));
      return (
        reply
          .header('content-type', file.mediaType ?? 'application/octet-stream')
          .header('content-length', file.bytes)
          // Never shown by a browser in our origin: what somebody uploaded may be a page with scripts.
          .header('content-disposition', attachment(file.fileName))
          .header('content-security-policy', "default-src 'none'; sandbox")
          .serializer((body: unknown) => body as string)
          .send(whileVisible(content, isVisible) as never)
      );
    },
  );

  app.patch(
    '/documents/:document_id',
    {
      config: { access: { kind: 'user', scope: 'ingest' } },
      schema: {
        tags,
        summary: 'Change title, tags, metadata or expiry',
        params: DocumentParams,
        body: DocumentPatch,
        response: { 200: DocumentSchema, ...problemResponses(409, 422) },
      },
    },
    async (request) => {
      const change = toChange(request.body);
      return documentToJson(
        await changeDocument({ db, piiPolicy }, request.subject, request.params.document_id, change),
      );
    },
  );

  app.delete(
    '/documents/:document_id',
    {
      config: { access: { kind: 'user', scope: 'ingest' } },
      schema: {
        tags,
        summary: 'Delete a document and everything made of it; for its owner',
        params: DocumentParams,
        response: { 204: z.null(), ...problemResponses() },
      },
    },
    async (request, reply) => {
      await removeDocument({ db }, request.subject, request.params.document_id);
      return reply.code(204).send(null);
    },
  );

  ownershipRoutes(app, { db, quotas });
}

function toChange(body: z.infer<typeof DocumentPatch>): DocumentChange {
  const { expires_at, ...same } = body;
  if (expires_at === undefined) return same;
  return { ...same, expiresAt: expires_at === null ? null : instantToMs(expires_at) };
}

/** RFC 6266: an ASCII name for old clients, the real one encoded. */
function attachment(fileName: string | null): string {
  if (fileName === null) return 'attachment';
  const ascii = fileName.replace(/[^\x20-\x7e]|["\\%]/g, '_');
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encodeURIComponent(fileName).replace(/['()*]/g, encodeByte)}`;
}

function encodeByte(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
}

function chunkToJson(chunk: DocumentChunk): z.infer<typeof Chunk> {
  return {
    chunk_id: chunk.chunkId,
    ordinal: chunk.ordinal,
    text: chunk.text,
    char_start: chunk.charStart,
    char_end: chunk.charEnd,
    page_start: chunk.pageStart,
    page_end: chunk.pageEnd,
    heading_path: chunk.headingPath,
    token_count: chunk.tokenCount,
  };
}
