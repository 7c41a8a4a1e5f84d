import type { Database } from '../db/database.ts';
import type { EmbeddingModel } from '../providers/index.ts';
import { createTokenMeter } from '../quotas/index.ts';
import type { Storage } from '../storage/index.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { detectMediaType } from './parsers/detect.ts';
import type { ParseLimits } from './parsers/parsed-document.ts';
import { assembleParts, type ParseOptions, parseUpTo, readPart } from './parsers/run-parser.ts';
import type { IngestionRules } from './rules.ts';
import { fetchToFile } from './sources/guarded-fetch.ts';
import { MAX_PAGES_AT_ONCE } from './stages/parse-parts.ts';
import type { ParseRun, PipelineDependencies } from './stages/stage.ts';

export interface PipelineSettings {
  /** Largest file that is fetched. */
  maxBytes: number;
  /** Hosts that may be fetched although their address is private. */
  outboundAllow: readonly string[];
  rules: IngestionRules;
  limits: ParseLimits;
  parseTimeoutMs: number;
  parseMemoryMb: number;
}

/** The stages' real surroundings: guarded fetch, and parsers in child processes with limits. */
export function createPipeline(
  deps: {
    db: Database;
    storage: Storage;
    embeddingModel: EmbeddingModel | null;
    temporaryDirectory: string;
    metrics?: Metrics;
  },
  settings: PipelineSettings,
): PipelineDependencies {
  const optionsFor = (run: ParseRun): ParseOptions => ({
    ...run,
    timeoutMs: settings.parseTimeoutMs,
    memoryMb: settings.parseMemoryMb,
  });
  return {
    ...deps,
    maxBytes: settings.maxBytes,
    rules: settings.rules,
    tokens: createTokenMeter(deps.db, settings.rules.quotas),
    limits: settings.limits,
    fetchToFile: (url, path, signal) =>
      fetchToFile(url, { path, maxBytes: settings.maxBytes, allow: settings.outboundAllow, signal }),
    detectMediaType,
    parse: (input, signal) => parseUpTo(input, MAX_PAGES_AT_ONCE, optionsFor({ signal, spentMs: 0 })),
    readPart: (input, range, run) => readPart(input, range, optionsFor(run)),
    assemble: (input, parts, run) => assembleParts(input, parts, optionsFor(run)),
  };
}
