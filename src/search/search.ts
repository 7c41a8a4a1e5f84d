import type { Subject } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import type { SourceType } from '../documents/index.ts';
import type { EmbeddingModel } from '../providers/index.ts';
import type { TokenMeter } from '../quotas/index.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { QueryVectorCache } from './query-vector.ts';

export interface SearchFilters {
  documentIds?: string[] | undefined;
  groupIds?: string[] | undefined;
  /** Documents with any of these. */
  tags?: string[] | undefined;
  sourceTypes?: SourceType[] | undefined;
  /** Milliseconds since 1970, both inclusive. */
  createdAfter?: number | undefined;
  createdBefore?: number | undefined;
  /** Top-level fields of the document's metadata that must equal these values. */
  metadata?: Record<string, string | number | boolean> | undefined;
}

export interface SearchRequest {
  subject: Subject;
  query: string;
  /** 1 to 50. */
  limit: number;
  filters: SearchFilters;
}

export interface SearchDependencies {
  db: Database;
  /** Null: keywords only. */
  embeddingModel: EmbeddingModel | null;
  /** Undefined: what a model costs is not counted. */
  tokens?: TokenMeter;
  /** Undefined: each query is embedded anew. */
  queryVectors?: QueryVectorCache;
  /** Undefined: nothing is measured. */
  metrics?: Metrics;
  /** Told of a stage that failed and was done without. */
  onDegraded(stage: string, error: unknown): void;
}

export type ScoreName = 'keyword' | 'vector' | 'fused';

export interface SearchResult {
  chunkId: string;
  documentId: string;
  title: string;
  text: string;
  /** What the list is sorted by; comparable within one answer only. */
  score: number;
  scores: Partial<Record<ScoreName, number>>;
  location: {
    pageStart: number | null;
    pageEnd: number | null;
    charStart: number;
    charEnd: number;
    headingPath: string[];
  };
  source: string;
}

/** Stages that a search had to do without: `vectors_pending` (some documents have none yet), `embedding_unavailable`. */
export type Degradation = 'vectors_pending' | 'embedding_unavailable' | 'chat_unavailable';

export interface SearchAnswer {
  results: SearchResult[];
  degraded: Degradation[];
}

/** A passage in a ranking, before its text is read. */
export interface Candidate {
  chunkId: string;
  /** Higher is better. */
  score: number;
}
