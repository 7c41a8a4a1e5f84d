import type { Database } from '../../db/database.ts';
import { literal, type Sql, sql } from '../../db/sql.ts';

/** Counting goes no further: over millions of rows it would take seconds. */
export const COUNTED_UP_TO = 10_000;

/** A count that stops at the limit reads so many index entries and no more. */
function upTo(rows: Sql): Sql {
  return sql`(SELECT count(*) FROM (${rows} LIMIT ${literal(COUNTED_UP_TO)}))`;
}

export const COUNTED = [
  'documents',
  'documents_without_vectors',
  'chunks',
  'users',
  'groups',
  'shares',
  'sessions',
] as const;
export type Counts = Record<(typeof COUNTED)[number], number>;

/** In one snapshot, off the thread that answers requests. */
export async function selectCounts(db: Database): Promise<Counts> {
  const rows = await db.query(
    sql`SELECT ${upTo(sql`SELECT 1 FROM documents`)} AS documents,
      ${upTo(sql`SELECT 1 FROM documents WHERE status = 'ready_words_only'`)} AS documents_without_vectors,
      ${upTo(sql`SELECT 1 FROM chunks`)} AS chunks, ${upTo(sql`SELECT 1 FROM users`)} AS users,
      ${upTo(sql`SELECT 1 FROM groups`)} AS groups, ${upTo(sql`SELECT 1 FROM resource_shares`)} AS shares,
      ${upTo(sql`SELECT 1 FROM sessions`)} AS sessions`,
    { offThread: true },
  );
  return rows[0] as unknown as Counts;
}

export interface DatabaseSize {
  bytes: number;
  /** Of these, what deletions have left empty. */
  freeBytes: number;
}

export async function selectDatabaseSize(db: Database): Promise<DatabaseSize> {
  const rows = await db.query<{ pages: number; free: number; size: number }>(sql`SELECT
    (SELECT page_count FROM pragma_page_count) AS pages, (SELECT freelist_count FROM pragma_freelist_count) AS free,
    (SELECT page_size FROM pragma_page_size) AS size`);
  const { pages, free, size } = rows[0]!;
  return { bytes: pages * size, freeBytes: free * size };
}

export interface StoredFiles {
  count: number;
  bytes: number;
}

/** Originals that versions name, the first `COUNTED_UP_TO` of them. */
export async function selectStoredFiles(db: Database): Promise<StoredFiles> {
  const rows = await db.query<{ count: number; bytes: number }>(
    sql`SELECT count(*) AS count, coalesce(sum(bytes), 0) AS bytes FROM
      (SELECT bytes FROM document_versions WHERE storage_key IS NOT NULL LIMIT ${literal(COUNTED_UP_TO)})`,
    { offThread: true },
  );
  return rows[0]!;
}

/** Kept by triggers, so there is nothing to count. */
export async function selectCacheSize(db: Database): Promise<{ entries: number; bytes: number }> {
  const rows = await db.query<{ entries: number; bytes: number }>(sql`SELECT entries, bytes FROM cache_size`);
  return rows[0] ?? { entries: 0, bytes: 0 };
}
