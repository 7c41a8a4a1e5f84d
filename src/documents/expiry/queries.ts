import { now, type Statement, sql } from '../../db/sql.ts';

/** Each may hold many passages, whose index rows go in the same transaction. */
export const EXPIRED_DOCUMENTS_SLICE = 20;

const EXPIRED = sql`(SELECT document_id FROM documents WHERE expires_at IS NOT NULL AND expires_at <= ${now}
  ORDER BY expires_at, document_id LIMIT ${EXPIRED_DOCUMENTS_SLICE})`;

/**
 * One slice of the documents whose time is over, oldest first, with all that was made of them; the stored originals follow by
 * job, and jobs at work on them end. The first statement answers how many passages go, the last one the ids.
 */
export function deleteExpiredDocuments(): Statement[] {
  return [
    sql`SELECT count(*) AS n FROM document_versions v JOIN chunks c ON c.version_id = v.version_id
      WHERE v.document_id IN ${EXPIRED}`,
    sql`UPDATE jobs SET cancel_at = coalesce(cancel_at, ${now}), updated_at = ${now}, wait = NULL,
        finished_at = CASE WHEN status = 'pending' THEN ${now} END,
        status = CASE WHEN status = 'pending' THEN 'cancelled' ELSE status END
      WHERE unique_key IN (SELECT 'ingest:' || version_id FROM document_versions WHERE document_id IN ${EXPIRED})
        AND status IN ('pending', 'processing')`,
    sql`DELETE FROM documents WHERE document_id IN ${EXPIRED} RETURNING document_id`,
  ];
}

/** One slice of the offers that nobody accepted in time. */
export function deleteExpiredTransfers(limit: number): Statement {
  return sql`DELETE FROM document_transfers WHERE document_id IN
    (SELECT document_id FROM document_transfers WHERE expires_at <= ${now} ORDER BY expires_at LIMIT ${limit}) RETURNING 1 AS gone`;
}
