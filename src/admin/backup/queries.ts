import type { Database, Statement } from '../../db/database.ts';
import { now, sql } from '../../db/sql.ts';

/** SHA-256 of the stored originals by their keys, as it was when they came in; null where it is not known. */
export async function selectStoredFiles(db: Database): Promise<Map<string, string | null>> {
  const rows = await db.query<{ key: string; sha256: string | null }>(
    sql`SELECT storage_key AS key, content_hash AS sha256 FROM document_versions WHERE storage_key IS NOT NULL`,
    { offThread: true },
  );
  return new Map(rows.map(({ key, sha256 }) => [key, sha256]));
}

/** What is wrong with the file, with its tables and with its indexes; empty when nothing is. Reads all of it. */
export async function selectIntegrityFaults(db: Database): Promise<string[]> {
  const rows = await db.query<{ integrity_check: string }>(sql`PRAGMA integrity_check`, { offThread: true });
  return rows.map((row) => row.integrity_check).filter((line) => line !== 'ok');
}

/** Null: no backup was ever made with `anyrag backup`. */
export async function selectLastBackupAt(db: Database): Promise<number | null> {
  const rows = await db.query<{ at: number | null }>(
    sql`SELECT max(at) AS at FROM audit_log WHERE action = 'backup.created'`,
  );
  return rows[0]!.at;
}

/** When the first account or document was made: from then on there is something to lose. Null while there is nothing. */
export async function selectFirstContentAt(db: Database): Promise<number | null> {
  const rows = await db.query<{ at: number | null }>(
    sql`SELECT min(at) AS at FROM (SELECT min(created_at) AS at FROM users UNION ALL SELECT min(created_at) FROM documents)`,
    { offThread: true },
  );
  return rows[0]!.at;
}

// What a restored database must not bring back to life

/**
 * No epoch that was in use between the backup and now may come again, or what was cached and granted in it would count. Far
 * above all of them, and by chance, so that two restores of one backup differ as well.
 */
export function raiseAllEpochs(): Statement {
  return sql`UPDATE users SET authz_epoch = authz_epoch + 4294967296 + abs(random() % 4294967296) RETURNING 1`;
}

export function revokeAllSessions(): Statement {
  return sql`UPDATE sessions SET revoked_at = ${now} WHERE revoked_at IS NULL RETURNING 1`;
}

export function deleteAllRefreshTokens(): Statement {
  return sql`DELETE FROM refresh_tokens`;
}

export function deleteAllApiKeys(): Statement {
  return sql`DELETE FROM api_keys RETURNING 1`;
}

export function deleteAllOneTimeCredentials(): Statement[] {
  return [sql`DELETE FROM one_time_tokens`, sql`DELETE FROM oidc_attempts`, sql`DELETE FROM sign_in_codes`];
}

/** One that was accepted since would let in again whoever was removed. */
export function deleteAllInvitations(): Statement {
  return sql`DELETE FROM invitations RETURNING 1`;
}

/** It has been sent, or is too late now. */
export function deleteAllMail(): Statement {
  return sql`DELETE FROM outgoing_mail`;
}

export function deleteWholeCache(): Statement {
  return sql`DELETE FROM cache`;
}

/** The claims of workers that the restored database knows and nobody else. */
export function selectAllClaims(db: Database): Promise<{ seq: number; fence: number }[]> {
  return db.query(sql<{ seq: number; fence: number }>`SELECT seq, fence FROM jobs WHERE status = 'processing'`);
}

export async function selectWorkerIds(db: Database): Promise<string[]> {
  const rows = await db.query<{ worker_id: string }>(sql`SELECT worker_id FROM workers`);
  return rows.map((row) => row.worker_id);
}
