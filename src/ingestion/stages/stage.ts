import type { Database, Statement } from '../../db/database.ts';
import type { JobContext } from '../../jobs/index.ts';
import type { EmbeddingModel } from '../../providers/index.ts';
import type { TokenMeter } from '../../quotas/index.ts';
import type { Storage } from '../../storage/index.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import type { LongDocument, PageRange, ParsedDocument, ParseInput } from '../parsers/parsed-document.ts';
import { requireMayWrite, requireVersion, type VersionState } from '../queries.ts';
import type { IngestionRules } from '../rules.ts';
import type { FetchedFile } from '../sources/guarded-fetch.ts';

/** One of several processes that read a file between them. */
export interface ParseRun {
  signal: AbortSignal;
  /** What the others have spent of the time that the file may take. */
  spentMs: number;
}

/** What the stages work with. */
export interface PipelineDependencies {
  db: Database;
  storage: Storage;
  /** Null: documents are found by words only. */
  embeddingModel: EmbeddingModel | null;
  /** Directory for files on their way to the storage. */
  temporaryDirectory: string;
  /** Undefined: nothing is measured. */
  metrics?: Metrics;
  maxBytes: number;
  rules: IngestionRules;
  tokens: TokenMeter;
  limits: ParseInput['limits'];
  fetchToFile(url: string, path: string, signal: AbortSignal): Promise<FetchedFile>;
  detectMediaType(path: string, fileName: string | null): Promise<string>;
  /** The document, or only the number of its pages where it is to be read in parts. */
  parse(input: ParseInput, signal: AbortSignal): Promise<ParsedDocument | LongDocument>;
  /** Some pages, in a form that only `assemble` understands. */
  readPart(input: ParseInput, range: PageRange, run: ParseRun): Promise<Uint8Array>;
  /** The document of all its parts in order, as `parse` would have made it. */
  assemble(input: ParseInput, parts: AsyncIterable<Uint8Array>, run: ParseRun): Promise<ParsedDocument>;
}

/**
 * One step from a source to an answerable document. It stores what it made before it returns, and skips what an earlier
 * attempt has stored, so a job goes on where the last one stopped.
 */
export type Stage = (deps: PipelineDependencies, version: VersionState, context: JobContext) => Promise<void>;

/** Writes behind the checks that the claim holds, the version still exists and the subject may still write the document. */
export async function writeFor(
  version: VersionState,
  context: JobContext,
  statements: readonly Statement[],
): Promise<void> {
  const checks = [requireVersion(version.versionId), requireMayWrite(context.subject, version.documentId)];
  await context.write([...checks, ...statements]);
}
