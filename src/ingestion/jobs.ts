import { z } from 'zod';
import { deleteFilesLater } from '../documents/index.ts';
import { AppError } from '../errors/app-error.ts';
import type { JobContext, JobHandler } from '../jobs/index.ts';
import { CHUNKER_VERSION } from './chunking/chunk-document.ts';
import {
  deleteWords,
  insertWords,
  keepCurrent,
  selectCurrentVersionId,
  selectDocumentExists,
  selectStoredChunks,
  selectVersion,
  type VersionState,
} from './queries.ts';
import { chunkStage } from './stages/chunk.ts';
import { embedStage } from './stages/embed.ts';
import { fetchStage } from './stages/fetch.ts';
import { indexStage, wordsOf } from './stages/index-words.ts';
import { parseStage } from './stages/parse.ts';
import { type PipelineDependencies, type Stage, writeFor } from './stages/stage.ts';

export { createPipeline, type PipelineSettings } from './pipeline.ts';
export type { PipelineDependencies } from './stages/stage.ts';

const ingestPayload = z.object({ version_id: z.string(), document_id: z.string() });
type IngestPayload = z.infer<typeof ingestPayload>;

/** Fetch → parse → redact → chunk → index → embed, each stage skipped where an earlier attempt has stored its work. */
export function ingestHandler(deps: PipelineDependencies): JobHandler<IngestPayload> {
  return {
    payload: ingestPayload,
    isolated: true,
    async run(payload, context) {
      const fetched = await runStage(fetchStage, deps, payload, context);
      if (fetched === null) return superseded(deps, payload);
      if (isUnchanged(fetched)) return unchanged(fetched, context);
      for (const stage of [parseStage, chunkStage, indexStage]) {
        if ((await runStage(stage, deps, payload, context)) === null) return superseded(deps, payload);
      }
      return embed(deps, payload, context);
    },
  };
}

/** The version as the stage leaves it, or null when a newer version or a deletion has removed it. */
async function runStage(
  stage: Stage,
  deps: PipelineDependencies,
  payload: IngestPayload,
  context: JobContext,
): Promise<VersionState | null> {
  context.signal.throwIfAborted();
  const version = await selectVersion(deps.db, context.subject, payload.version_id);
  if (version === null) return null;
  await stage(deps, version, context);
  return selectVersion(deps.db, context.subject, payload.version_id);
}

/** Vectors are an addition: where they stay impossible, the document is found by its words and the result says so. */
async function embed(deps: PipelineDependencies, payload: IngestPayload, context: JobContext) {
  const missing: string[] = [];
  try {
    const version = await runStage(embedStage, deps, payload, context);
    if (version === null) return superseded(deps, payload);
  } catch (error) {
    const isProviderError = error instanceof AppError && error.code.startsWith('provider_');
    const isLast = context.attempt >= context.maxAttempts || (isProviderError && !error.retryable);
    if (!isProviderError || !isLast) throw error;
    context.log.warn({ event: 'ingestion.vectors_missing', err: error }, 'embedding stays impossible');
    missing.push('vectors_missing');
  }
  const version = await selectVersion(deps.db, context.subject, payload.version_id);
  if (version === null) return superseded(deps, payload);
  return resultOf(version, missing);
}

function isUnchanged(version: VersionState): boolean {
  const { current } = version;
  return (
    current !== null &&
    current.versionId !== version.versionId &&
    current.contentHash === version.contentHash &&
    current.chunker === CHUNKER_VERSION &&
    !version.isParsed
  );
}

async function unchanged(version: VersionState, context: JobContext) {
  const keys = version.storageKey === null ? [] : [version.storageKey];
  await writeFor(version, context, [...keepCurrent(version), ...deleteFilesLater(keys)]);
  return { ...resultOf(version, ['unchanged']), chunks: version.current!.chunkCount ?? 0 };
}

async function superseded(deps: PipelineDependencies, payload: IngestPayload) {
  if (!(await selectDocumentExists(deps.db, payload.document_id))) {
    throw new AppError('not_found', 'The document was deleted');
  }
  const current = await selectCurrentVersionId(deps.db, payload.document_id);
  if (current === null) throw new AppError('rights_revoked');
  return { document_id: payload.document_id, chunks: 0, warnings: ['superseded'] };
}

function resultOf(version: VersionState, warnings: string[]) {
  return {
    document_id: version.documentId,
    version: version.number,
    chunks: version.chunkCount ?? 0,
    warnings: [...version.warnings, ...warnings],
  };
}

const reindexPayload = z.object({ document_id: z.string() });

/** Puts the words of a document into the index again, under its present title. */
export function reindexHandler(deps: Pick<PipelineDependencies, 'db'>): JobHandler<z.infer<typeof reindexPayload>> {
  return {
    payload: reindexPayload,
    async run({ document_id }, context) {
      const versionId = await selectCurrentVersionId(deps.db, document_id);
      const version = versionId === null ? null : await selectVersion(deps.db, context.subject, versionId);
      if (version === null) return { document_id, chunks: 0, warnings: ['nothing_to_index'] };
      const total = version.chunkCount ?? 0;
      for (let from = 0; from < total; from += 100) {
        context.progress('index', from, total);
        const chunks = await selectStoredChunks(deps.db, version.versionId, from, 100);
        const words = chunks.map((chunk) => wordsOf(chunk, version.documentTitle));
        await writeFor(version, context, [
          deleteWords(chunks.map((chunk) => chunk.chunkSeq)),
          ...insertWords(version.versionId, words, total),
        ]);
      }
      return { document_id, chunks: total, warnings: [] };
    },
  };
}
