import type { Database } from '../../db/database.ts';
import { now, type Statement, sql } from '../../db/sql.ts';

export interface IdempotentAnswer {
  requestHash: string;
  answer: Record<string, unknown>;
}

export async function selectIdempotentAnswer(
  db: Database,
  caller: string,
  key: string,
): Promise<IdempotentAnswer | null> {
  const rows = await db.query(sql`SELECT request_hash, answer FROM idempotency_keys
    WHERE caller = ${caller} AND idempotency_key = ${key} AND expires_at > ${now}`);
  const row = rows[0];
  return row === undefined
    ? null
    : { requestHash: row.request_hash as string, answer: JSON.parse(row.answer as string) };
}

const IDEMPOTENCY_MS = 24 * 3_600_000;

/** Fails its batch with a unique constraint when the key is in use, so that of two equal requests one does the work. */
export function insertIdempotentAnswer(entry: {
  caller: string;
  key: string;
  requestHash: string;
  answer: unknown;
}): Statement[] {
  return [
    sql`DELETE FROM idempotency_keys WHERE expires_at <= ${now}`,
    sql`INSERT INTO idempotency_keys (caller, idempotency_key, request_hash, answer, expires_at)
      VALUES (${entry.caller}, ${entry.key}, ${entry.requestHash}, ${JSON.stringify(entry.answer)}, ${now} + ${IDEMPOTENCY_MS})`,
  ];
}

/** Answers past their time, a slice per call. */
export function pruneIdempotentAnswers(): Statement {
  return sql`DELETE FROM idempotency_keys WHERE (caller, idempotency_key) IN (SELECT caller, idempotency_key
      FROM idempotency_keys WHERE expires_at <= ${now} LIMIT 1000) RETURNING 1 AS gone`;
}
