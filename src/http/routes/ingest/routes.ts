import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import type { Database } from '../../../db/database.ts';
import { AppError } from '../../../errors/app-error.ts';
import {
  type Accepted as AcceptedContent,
  acceptContent,
  type ContentFields,
  type IngestionRequest,
  type IngestionRules,
  SUPPORTED_MEDIA_TYPES,
} from '../../../ingestion/index.ts';
import type { Storage } from '../../../storage/index.ts';
import { activeTrace } from '../../../telemetry/logger.ts';
import { traceparentOf } from '../../../telemetry/trace-context.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { callerOf } from '../../plugins/limit-rates.ts';
import { problemResponses } from '../../problem-schema.ts';
import { instantToMs } from '../../schemas.ts';
import { readUpload } from './read-upload.ts';
import { Accepted, FileForm, type FormFields, IngestHeaders, TextBody, WebBody } from './schema.ts';

export interface IngestRouteDependencies {
  db: Database;
  storage: Storage;
  maxUploadBytes: number;
  rules: IngestionRules;
  /** False when a URL may never be fetched, whatever it resolves to; says why. */
  checkUrl(url: string): void;
}

/** JSON bodies are held in memory; whoever has more text than this uploads it as a file. */
const MAX_TEXT_BODY_BYTES = 16 * 1_048_576;

export function ingestRoutes(app: App, deps: IngestRouteDependencies): void {
  const common = {
    config: { access: { kind: 'ingest' } satisfies RouteAccess },
  };
  const schema = {
    tags: ['ingestion'],
    headers: IngestHeaders,
    response: { 202: Accepted, ...problemResponses(409, 413, 415, 422) },
  };

  app.post(
    '/ingest/file',
    {
      ...common,
      schema: {
        ...schema,
        summary: 'Add a file',
        description: `Known by content, not by name: ${SUPPORTED_MEDIA_TYPES.join(', ')}.`,
        consumes: ['multipart/form-data'],
        body: FileForm,
      },
      // The parts are checked as they arrive.
      validatorCompiler: (part) => (part.httpPart === 'body' ? () => true : validatorCompiler(part as never)),
    },
    async (request, reply) => {
      const { stored, fileName, fields } = await readUpload(request, deps.storage, { maxBytes: deps.maxUploadBytes });
      return accept(request, reply, {
        sourceType: 'file',
        fields: contentFields(fields),
        content: { kind: 'file', stored, fileName, mediaType: null },
      });
    },
  );

  app.post(
    '/ingest/text',
    {
      ...common,
      bodyLimit: Math.min(MAX_TEXT_BODY_BYTES, deps.maxUploadBytes),
      schema: { ...schema, summary: 'Add a text', body: TextBody },
    },
    async (request, reply) => {
      const { text, media_type, ...fields } = request.body;
      if (text.trim() === '') throw new AppError('empty_file', 'The text is empty');
      const stored = await deps.storage.put(Readable.from([Buffer.from(text)]), { maxBytes: deps.maxUploadBytes });
      return accept(request, reply, {
        sourceType: 'text',
        fields: contentFields(fields),
        content: { kind: 'file', stored, fileName: null, mediaType: media_type },
      });
    },
  );

  app.post(
    '/ingest/web',
    { ...common, schema: { ...schema, summary: 'Add what is behind a URL', body: WebBody } },
    async (request, reply) => {
      const { url, ...fields } = request.body;
      deps.checkUrl(url);
      return accept(request, reply, {
        sourceType: 'web',
        fields: contentFields(fields),
        content: { kind: 'url', url },
      });
    },
  );

  async function accept(
    request: FastifyRequest,
    reply: FastifyReply,
    what: Pick<IngestionRequest, 'sourceType' | 'fields' | 'content'>,
  ) {
    const trace = activeTrace.getStore();
    const accepted = await acceptContent(deps, {
      ...what,
      subject: request.subject,
      caller: callerOf(request),
      idempotencyKey: (request.headers['idempotency-key'] as string | undefined) ?? null,
      trace: trace === undefined ? null : traceparentOf(trace),
    });
    const answer = toJson(accepted);
    return reply.code(202).header('location', answer.status_url).send(answer);
  }
}

function contentFields(fields: z.infer<typeof FormFields>): ContentFields {
  return {
    title: fields.title ?? null,
    source: fields.source ?? null,
    groupId: fields.group_id ?? null,
    tags: fields.tags ?? null,
    metadata: fields.metadata ?? null,
    expiresAt: fields.expires_at === undefined ? null : instantToMs(fields.expires_at),
  };
}

function toJson(accepted: AcceptedContent): z.infer<typeof Accepted> {
  return {
    job_id: accepted.jobId,
    document_id: accepted.documentId,
    status: 'pending',
    status_url: `/jobs/${accepted.jobId}`,
    ...(accepted.jobToken !== null && { job_token: accepted.jobToken }),
  };
}
