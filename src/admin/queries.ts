import type { Database, Statement } from '../db/database.ts';
import { now, sql } from '../db/sql.ts';

type Count = Statement<{ n: number }>;

// Promises of the data, each as a count of what breaks it

export function countDocumentsWithoutCurrentVersion(): Count {
  return sql`SELECT count(*) AS n FROM documents d
    WHERE (d.current_version_id IS NULL AND d.status IN ('ready', 'ready_words_only'))
      OR (d.current_version_id IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM document_versions v
          WHERE v.version_id = d.current_version_id AND v.document_id = d.document_id))`;
}

export function countChunksWithoutVersion(): Count {
  return sql`SELECT count(*) AS n FROM chunks c
    WHERE NOT EXISTS (SELECT 1 FROM document_versions v WHERE v.version_id = c.version_id)`;
}

export function countVectorsWithoutVersion(): Count {
  return sql`SELECT count(*) AS n FROM chunk_vectors c
    WHERE NOT EXISTS (SELECT 1 FROM document_versions v WHERE v.version_id = c.version_id)`;
}

/** FTS5 keeps one row for each row of the index in its docsize table, which can be read without a search. */
export function countWordsWithoutChunk(): Count {
  return sql`SELECT count(*) AS n FROM chunk_words_docsize w
    WHERE NOT EXISTS (SELECT 1 FROM chunks c WHERE c.chunk_seq = w.id)`;
}

export function countIndexedChunksWithoutWords(): Count {
  return sql`SELECT count(*) AS n FROM document_versions v JOIN chunks c ON c.version_id = v.version_id
    WHERE c.ordinal < v.indexed_count AND NOT EXISTS (SELECT 1 FROM chunk_words_docsize w WHERE w.id = c.chunk_seq)`;
}

export function countSharesWithoutResource(): Count {
  return sql`SELECT count(*) AS n FROM resource_shares s
    WHERE s.resource_type = 'document' AND NOT EXISTS (SELECT 1 FROM documents d WHERE d.document_id = s.resource_id)`;
}

export function countJobsOfDeadWorkers(): Count {
  return sql`SELECT count(*) AS n FROM jobs j LEFT JOIN workers w ON w.worker_id = j.worker_id
    WHERE j.status = 'processing' AND (w.worker_id IS NULL OR w.lease_until < ${now})`;
}

/** A document whose first version is on its way has a job that brings it. One pass over the jobs, whose payload no index has. */
export function countDocumentsWithoutJob(): Count {
  return sql`SELECT count(*) AS n FROM documents WHERE status = 'processing'
    AND document_id NOT IN (SELECT v.document_id FROM jobs j JOIN document_versions v ON v.version_id = j.payload ->> 'version_id'
      WHERE j.job_type = 'ingest' AND j.status IN ('pending', 'processing'))`;
}

/** Users and groups whose counters differ from what they own, or what is shared with them. One pass over all versions. */
export function countWrongQuotas(): Count {
  return sql`WITH sizes AS (SELECT d.document_id, d.owner_id, coalesce(sum(v.bytes), 0) AS bytes,
        coalesce(sum(v.chunk_count), 0) AS chunks
      FROM documents d LEFT JOIN document_versions v ON v.document_id = d.document_id GROUP BY d.document_id),
    owned AS (SELECT owner_id, count(*) AS documents, sum(bytes) AS bytes, sum(chunks) AS chunks
      FROM sizes WHERE owner_id IS NOT NULL GROUP BY owner_id),
    shared AS (SELECT s.grantee_group_id, count(*) AS documents, sum(z.bytes) AS bytes, sum(z.chunks) AS chunks
      FROM resource_shares s JOIN sizes z ON z.document_id = s.resource_id
      WHERE s.resource_type = 'document' AND s.grantee_group_id IS NOT NULL GROUP BY s.grantee_group_id)
    SELECT (SELECT count(*) FROM user_quotas q LEFT JOIN owned o ON o.owner_id = q.user_id
        WHERE (q.documents, q.bytes, q.chunks) IS NOT (coalesce(o.documents, 0), coalesce(o.bytes, 0), coalesce(o.chunks, 0)))
      + (SELECT count(*) FROM group_quotas q LEFT JOIN shared o ON o.grantee_group_id = q.group_id
        WHERE (q.documents, q.bytes, q.chunks) IS NOT (coalesce(o.documents, 0), coalesce(o.bytes, 0), coalesce(o.chunks, 0)))
      AS n`;
}

/** Accounts whose erasure was asked for more than a day ago. */
export function countUnfinishedErasures(): Count {
  return sql`SELECT count(*) AS n FROM users WHERE status = 'erased' AND updated_at < ${now} - 86400000`;
}

// The file

/** Faults that SQLite finds in the structure of the file; empty when it is sound. Reads the whole file. */
export async function selectStructuralFaults(db: Database): Promise<string[]> {
  const rows = await db.query<{ quick_check: string }>(sql`PRAGMA quick_check`, { offThread: true });
  return rows.map((row) => row.quick_check).filter((line) => line !== 'ok');
}

/** Tables with rows whose foreign key points to nothing, and how many. */
export function selectForeignKeyViolations(db: Database): Promise<{ name: string; n: number }[]> {
  return db.query(
    sql<{ name: string; n: number }>`SELECT "table" AS name, count(*) AS n FROM pragma_foreign_key_check GROUP BY 1`,
    { offThread: true },
  );
}

export async function selectJournalMode(db: Database): Promise<string> {
  const rows = await db.query<{ journal_mode: string }>(sql`PRAGMA journal_mode`);
  return rows[0]!.journal_mode;
}

/** Asked of the connection that writes, since each connection has its own. */
export async function selectEnforcesForeignKeys(db: Database): Promise<boolean> {
  const [rows] = await db.batch([sql`PRAGMA foreign_keys`]);
  return rows![0]!.foreign_keys === 1;
}

/** The database's clock, and the latest instant that it has given to what only ever grows; 0 where there is nothing. */
export async function selectClock(db: Database): Promise<{ now: number; newest: number }> {
  const rows = await db.query<{ now: number; newest: number }>(
    sql`SELECT ${now} AS now, max(
      coalesce((SELECT at FROM audit_log ORDER BY seq DESC LIMIT 1), 0),
      coalesce((SELECT created_at FROM jobs ORDER BY seq DESC LIMIT 1), 0)) AS newest`,
  );
  return rows[0]!;
}

// Accounts and files

export async function selectOneSealedEmail(db: Database): Promise<{ userId: string; sealed: Uint8Array } | null> {
  const rows = await db.query<{ user_id: string; email_sealed: Uint8Array }>(
    sql`SELECT user_id, email_sealed FROM users WHERE status <> 'erased' LIMIT 1`,
  );
  return rows[0] === undefined ? null : { userId: rows[0].user_id, sealed: rows[0].email_sealed };
}

/** Keys of the stored files that versions name, and of those that a job is about to delete. */
export async function selectFileKeys(db: Database): Promise<{ needed: Set<string>; leaving: Set<string> }> {
  const needed = await db.query<{ key: string }>(
    sql`SELECT storage_key AS key FROM document_versions WHERE storage_key IS NOT NULL`,
    { offThread: true },
  );
  const leaving = await db.query<{ key: string }>(
    sql`SELECT k.value AS key FROM jobs j, json_each(j.payload, '$.storage_keys') k
      WHERE j.job_type = 'delete_files' AND j.status IN ('pending', 'processing')`,
    { offThread: true },
  );
  return { needed: new Set(needed.map(({ key }) => key)), leaving: new Set(leaving.map(({ key }) => key)) };
}
