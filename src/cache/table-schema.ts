import type { Cache } from './cache.ts';
import { jsonCodec } from './codec.ts';

/** A table as a model is told of it. */
export interface TableSchema {
  readonly name: string;
  readonly columns: readonly TableColumn[];
}

export interface TableColumn {
  readonly name: string;
  readonly type: 'text' | 'integer' | 'real' | 'boolean' | 'instant';
  readonly description: string | null;
}

/** Versions make it safe to keep for long; this bounds how long one that nobody asks for takes up room. */
const TTL_MS = 7 * 86_400_000;

/**
 * The schema of a version of a data set, which never changes. Whoever asks has checked that the caller may read the data set:
 * what is cached has no rights of its own. It is deleted with the owner, since names of columns are content as well.
 */
export function cachedTableSchema(
  cache: Cache,
  { datasetId, version, ownerId }: { datasetId: string; version: number; ownerId: string | null },
  compute: () => Promise<TableSchema>,
): Promise<TableSchema> {
  const entry = { name: 'table_schema', key: `1:${datasetId}:${version}`, userId: ownerId } as const;
  return cache.getOrCompute({ ...entry, ttlMs: TTL_MS, codec: jsonCodec<TableSchema>() }, compute);
}
