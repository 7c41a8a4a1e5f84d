import { z } from 'zod';
import { AppError, hasCode } from '../errors/app-error.ts';
import { type JobContext, type JobHandler, RetryLater } from '../jobs/index.ts';
import { CHUNKER_VERSION } from './chunking/chunk-document.ts';
import {
  deleteWords,
  insertWords,
  keepCurrent,
  selectCurrentVersionId,
  selectDocumentExists,
  selectStoredChunks,
  selectVersion,
  selectVersionExists,
  type VersionState,
} from './queries.ts';
import { chunkStage } from './stages/chunk.ts';
import { embedStage, embedStretch } from './stages/embed.ts';
import { fetchStage } from './stages/fetch.ts';
import { indexStage, wordsOf } from './stages/index-words.ts';
import { parseStage, policyFor } from './stages/parse.ts';
import { readPages } from './stages/parse-parts.ts';
import { type PipelineDependencies, writeFor } from './stages/stage.ts';
import { startStage } from './stages/stage-metrics.ts';

export { createPipeline, type PipelineSettings } from './pipeline.ts';
export { EMBED_STRETCH } from './stages/embed.ts';
export { PARSE_PAGES } from './stages/parse-parts.ts';
export type { PipelineDependencies } from './stages/stage.ts';

const ingestPayload = z.object({ version_id: z.string(), document_id: z.string() });
type IngestPayload = z.infer<typeof ingestPayload>;

/** Fetch → parse → redact → chunk → index → embed, each stage skipped where an earlier attempt has stored its work. */
export function ingestHandler(deps: PipelineDependencies): JobHandler<IngestPayload> {
  return {
    payload: ingestPayload,
    isolated: true,
    async run(payload, context) {
      try {
        return await build(deps, payload, context);
      } catch (error) {
        // Whatever failed, there is nothing left to build.
        if (await selectVersionExists(deps.db, payload.version_id)) throw error;
        return superseded(deps, payload);
      }
    },
  };
}

async function build(deps: PipelineDependencies, payload: IngestPayload, context: JobContext) {
  const fetched = await runStage('fetch', deps, payload, context);
  if (isUnchanged(fetched, deps)) return unchanged(fetched, context);
  for (const stage of ['parse', 'chunk', 'index'] as const) await runStage(stage, deps, payload, context);
  return embed(deps, payload, context);
}

const STAGES = { fetch: fetchStage, parse: parseStage, chunk: chunkStage, index: indexStage, embed: embedStage };

/** The version as the stage leaves it. */
async function runStage(
  name: keyof typeof STAGES,
  deps: PipelineDependencies,
  payload: IngestPayload,
  context: JobContext,
): Promise<VersionState> {
  context.signal.throwIfAborted();
  const before = await readVersion(deps, payload, context);
  const note = startStage(deps.metrics, name, before);
  try {
    await STAGES[name](deps, before, context);
    const after = await readVersion(deps, payload, context);
    note('completed', after);
    return after;
  } catch (error) {
    note('interrupted', before);
    throw error;
  }
}

async function readVersion(deps: PipelineDependencies, payload: IngestPayload, context: JobContext) {
  const version = await selectVersion(deps.db, context.subject, payload.version_id);
  if (version === null) throw new AppError('not_found');
  if (!version.mayWrite) throw new AppError('rights_revoked');
  return version;
}

/** Vectors are an addition: where they stay impossible, the document is found by its words and the result says so. */
async function embed(deps: PipelineDependencies, payload: IngestPayload, context: JobContext) {
  const missing: string[] = [];
  try {
    await runStage('embed', deps, payload, context);
  } catch (error) {
    const isProviderError = error instanceof AppError && error.code.startsWith('provider_');
    const isLast = context.attempt >= context.maxAttempts || (isProviderError && !error.retryable);
    if (hasCode(error, 'quota_exceeded')) throw tomorrow(error);
    if (!isProviderError || !isLast) throw error;
    context.log.warn({ event: 'ingestion.vectors_missing', err: error }, 'embedding stays impossible');
    missing.push('vectors_missing');
  }
  return resultOf(await readVersion(deps, payload, context), missing);
}

/** By words the document is found at once; the vectors wait for the next day's tokens, at the cost of no attempt. */
function tomorrow({ retryAfterSeconds }: AppError): RetryLater {
  return new RetryLater((retryAfterSeconds ?? 3_600) * 1_000);
}

/**
 * Not while another version is on its way: that one would become the current one, and this one is newer. A new title is
 * in words and vectors, vectors that are missing are worth another try, and another policy treats the same content otherwise.
 */
function isUnchanged(version: VersionState, { rules, embeddingModel }: PipelineDependencies): boolean {
  const { current } = version;
  const wantsVectors = embeddingModel !== null;
  return (
    current !== null &&
    current.versionId !== version.versionId &&
    current.contentHash === version.contentHash &&
    current.chunker === CHUNKER_VERSION &&
    current.piiPolicy === policyFor(rules.piiPolicy, version) &&
    (current.isEmbedded || !wantsVectors) &&
    (version.title === null || version.title === version.documentTitle) &&
    version.unfinishedBefore === 0 &&
    !version.isParsed
  );
}

async function unchanged(version: VersionState, context: JobContext) {
  await writeFor(version, context, keepCurrent(version));
  return { ...resultOf(version, ['unchanged']), chunks: version.current!.chunkCount ?? 0 };
}

async function superseded(deps: PipelineDependencies, payload: IngestPayload) {
  if (!(await selectDocumentExists(deps.db, payload.document_id))) {
    throw new AppError('not_found', 'The document was deleted');
  }
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

const pagesPayload = ingestPayload.extend({ first_page: z.number().int() });

/** Reads some pages of a long PDF: a child of its ingestion. */
export function parsePagesHandler(deps: PipelineDependencies): JobHandler<z.infer<typeof pagesPayload>> {
  return {
    payload: pagesPayload,
    isolated: true,
    async run(payload, context) {
      const version = await readVersion(deps, payload, context);
      await readPages(deps, version, payload.first_page, context);
      return { document_id: payload.document_id };
    },
  };
}

const stretchPayload = ingestPayload.extend({ from_part: z.number().int(), to_part: z.number().int() });

/** The vectors of a stretch of a long document: a child of its ingestion. */
export function embedStretchHandler(deps: PipelineDependencies): JobHandler<z.infer<typeof stretchPayload>> {
  return {
    payload: stretchPayload,
    isolated: true,
    async run(payload, context) {
      const version = await readVersion(deps, payload, context);
      const stretch = { fromPart: payload.from_part, toPart: payload.to_part };
      await embedStretch(deps, version, stretch, context).catch((error) => {
        throw hasCode(error, 'quota_exceeded') ? tomorrow(error) : error;
      });
      return { document_id: payload.document_id };
    },
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
      if (version === null) return nothingToIndex(document_id);
      try {
        return await reindex(deps, version, context);
      } catch (error) {
        if (await selectVersionExists(deps.db, version.versionId)) throw error;
        return nothingToIndex(document_id);
      }
    },
  };
}

async function reindex(deps: Pick<PipelineDependencies, 'db'>, version: VersionState, context: JobContext) {
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
  return { document_id: version.documentId, chunks: total, warnings: [] };
}

function nothingToIndex(documentId: string) {
  return { document_id: documentId, chunks: 0, warnings: ['nothing_to_index'] };
}
