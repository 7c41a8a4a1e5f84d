import type { Config } from '../config/config.ts';
import type { Database } from '../db/database.ts';
import { deleteFilesHandler } from '../documents/jobs.ts';
import { ingestHandler, type PipelineDependencies, reindexHandler } from '../ingestion/jobs.ts';
import { detectMediaType } from '../ingestion/parsers/detect.ts';
import { parseInChildProcess } from '../ingestion/parsers/run-parser.ts';
import { fetchToFile } from '../ingestion/sources/guarded-fetch.ts';
import type { JobHandler } from '../jobs/index.ts';
import type { EmbeddingModel } from '../providers/models.ts';
import type { Storage } from '../storage/index.ts';

export interface HandlerDependencies {
  db: Database;
  storage: Storage;
  embeddingModel: EmbeddingModel | null;
  temporaryDirectory: string;
  config: Config;
}

/** Every type of job and what runs for it. */
export function createHandlers(deps: HandlerDependencies): ReadonlyMap<string, JobHandler> {
  const pipeline = pipelineOf(deps);
  return new Map<string, JobHandler>([
    ['ingest', ingestHandler(pipeline) as JobHandler],
    ['reindex', reindexHandler(pipeline) as JobHandler],
    ['delete_files', deleteFilesHandler(deps) as JobHandler],
  ]);
}

function pipelineOf({ config, ...deps }: HandlerDependencies): PipelineDependencies {
  return {
    ...deps,
    maxBytes: config.maxUploadBytes,
    limits: {
      maxPages: config.parseMaxPages,
      maxTextChars: config.parseMaxChars,
      maxExpandedBytes: config.parseMaxExpandedBytes,
    },
    fetchToFile: (url, path, signal) =>
      fetchToFile(url, { path, maxBytes: config.maxUploadBytes, allow: config.outboundAllow, signal }),
    detectMediaType,
    parse: (input, signal) =>
      parseInChildProcess(input, { timeoutMs: config.parseTimeoutMs, memoryMb: config.parseMemoryMb, signal }),
  };
}
