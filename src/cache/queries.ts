import type { Database } from '../db/database.ts';
import { now, type Statement, sql } from '../db/sql.ts';

/** An entry to be stored. */
export interface NewEntry {
  key: string;
  value: Uint8Array;
  ttlMs: number;
  userId: string | null;
}

export interface StoredEntry {
  value: Uint8Array;
  /** Until it expires, by the database's clock. */
  leftMs: number;
}

/** Nothing is written: what is read often is kept no longer for it. */
export async function selectEntry(db: Database, key: string): Promise<StoredEntry | null> {
  const rows = await db.query<{ value: Uint8Array; left_ms: number }>(
    sql`SELECT value, expires_at - ${now} AS left_ms FROM cache WHERE cache_key = ${key} AND expires_at > ${now}`,
  );
  return rows[0] === undefined ? null : { value: rows[0].value, leftMs: rows[0].left_ms };
}

/** Stores nothing for a user who is gone. */
export function upsertEntry({ key, value, ttlMs, userId }: NewEntry): Statement {
  return sql`INSERT INTO cache (cache_key, value, expires_at, user_id)
    SELECT ${key}, ${value}, ${now} + ${ttlMs}, ${userId}
    WHERE ${userId} IS NULL OR EXISTS (SELECT 1 FROM users WHERE user_id = ${userId})
    ON CONFLICT (cache_key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`;
}

/** The oldest entries, as many as are too many, a slice per call; answers the key of each. */
export function evictSurplus(limits: { entries: number; bytes: number }): Statement<{ cache_key: string }> {
  return sql`DELETE FROM cache WHERE seq IN (
      SELECT c.seq FROM cache_size s CROSS JOIN (
        SELECT seq, row_number() OVER oldest AS place, sum(bytes) OVER oldest - bytes AS bytes_before
        FROM (SELECT seq, bytes FROM cache
          WHERE EXISTS (SELECT 1 FROM cache_size WHERE entries > ${limits.entries} OR bytes > ${limits.bytes})
          ORDER BY seq LIMIT 1000)
        WINDOW oldest AS (ORDER BY seq)
      ) c
      WHERE c.place <= s.entries - ${limits.entries} OR c.bytes_before < s.bytes - ${limits.bytes}
    ) RETURNING cache_key`;
}

/** Entries past their time, a slice per call. */
export function deleteExpiredEntries(): Statement {
  return sql`DELETE FROM cache WHERE seq IN (SELECT seq FROM cache WHERE expires_at <= ${now} LIMIT 1000) RETURNING seq`;
}

/** What is kept of a user, a slice per call; answers what went. */
export function deleteEntriesOf(userId: string): Statement {
  return sql`DELETE FROM cache WHERE seq IN (SELECT seq FROM cache WHERE user_id = ${userId} LIMIT 1000) RETURNING seq`;
}
