export { Cache, type CacheCounts, type CacheName, type CacheOptions } from './cache.ts';
export { jsonCodec, vectorCodec } from './codec.ts';
export { deleteEntriesOf, deleteExpiredEntries } from './queries.ts';
export { cachedTableSchema, type TableColumn, type TableSchema } from './table-schema.ts';
