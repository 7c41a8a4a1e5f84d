import { literal, type Sql, type Statement, sql } from '../../db/sql.ts';

/** What one call touches, so that no transaction grows long, however large a document is. */
const DOCUMENTS = 20;
const CHUNKS = 500;
const ROWS = 200;
/** Pages of the word index that one merge writes. */
const MERGE_PAGES = 200;

/** Nobody but its owner sees any of it from then on. */
export function endSharesOfDocumentsOf(userId: Sql | string): Statement {
  const id = typeof userId === 'string' ? sql`${userId}` : userId;
  return sql`DELETE FROM resource_shares WHERE resource_type = 'document'
    AND resource_id IN (SELECT document_id FROM documents WHERE owner_id = ${id})`;
}

/** By the user and to them. */
export function deleteTransfersOf(userId: Sql | string): Statement[] {
  const id = typeof userId === 'string' ? sql`${userId}` : userId;
  return [
    sql`DELETE FROM document_transfers WHERE from_user_id = ${id}`,
    sql`DELETE FROM document_transfers WHERE to_user_id = ${id}`,
  ];
}

/**
 * A user's documents with all that was made of them, a slice per call: each statement answers what went, and when none answers
 * anything there is nothing left. The stored originals follow by jobs that a trigger adds.
 */
export function deleteDocumentsOf(userId: string): Statement[] {
  const documents = sql`SELECT document_id FROM documents WHERE owner_id = ${userId}
    ORDER BY document_id LIMIT ${literal(DOCUMENTS)}`;
  const versions = sql`SELECT v.version_id FROM (${documents}) d
    CROSS JOIN document_versions v ON v.document_id = d.document_id`;
  return [
    sql`DELETE FROM chunks WHERE chunk_seq IN (SELECT c.chunk_seq FROM (${versions}) v
      CROSS JOIN chunks c ON c.version_id = v.version_id LIMIT ${literal(CHUNKS)}) RETURNING 1 AS gone`,
    sql`DELETE FROM chunk_vectors WHERE rowid IN (SELECT c.rowid FROM (${versions}) v
      CROSS JOIN chunk_vectors c ON c.version_id = v.version_id LIMIT ${literal(ROWS)}) RETURNING 1 AS gone`,
    sql`DELETE FROM document_parts WHERE rowid IN (SELECT p.rowid FROM (${versions}) v
      CROSS JOIN document_parts p ON p.version_id = v.version_id LIMIT ${literal(ROWS)}) RETURNING 1 AS gone`,
    sql`DELETE FROM embedding_cache WHERE (model_key, text_hash, document_id) IN (
      SELECT e.model_key, e.text_hash, e.document_id FROM (${documents}) d
      CROSS JOIN embedding_cache e ON e.document_id = d.document_id LIMIT ${literal(CHUNKS)}) RETURNING 1 AS gone`,
    sql`DELETE FROM documents WHERE document_id IN (SELECT document_id FROM (${documents}) d WHERE
      NOT EXISTS (SELECT 1 FROM embedding_cache e WHERE e.document_id = d.document_id)
      AND NOT EXISTS (SELECT 1 FROM document_versions v WHERE v.document_id = d.document_id
        AND (EXISTS (SELECT 1 FROM chunks c WHERE c.version_id = v.version_id)
          OR EXISTS (SELECT 1 FROM chunk_vectors c WHERE c.version_id = v.version_id)
          OR EXISTS (SELECT 1 FROM document_parts p WHERE p.version_id = v.version_id)))) RETURNING 1 AS gone`,
  ];
}

/**
 * Writes the word index anew without what was deleted from it, some pages per call. It marks what is deleted and keeps its
 * words until it merges by itself, which may be never in a large index; `secure-delete` does not reach a table whose text lies
 * elsewhere (measured: one in a hundred rows deleted, all of their words still in the file after VACUUM). `from` begins with
 * everything that is there. The first and the last statement answer `n`, and fewer than two between them is the end.
 */
export function mergeWordIndex(from: 'start' | 'last'): Statement<{ n: number }>[] {
  const pages = from === 'start' ? -MERGE_PAGES : MERGE_PAGES;
  return [
    sql`SELECT total_changes() AS n`,
    sql`INSERT INTO chunk_words (chunk_words, rank) VALUES ('merge', ${literal(pages)})`,
    sql`SELECT total_changes() AS n`,
  ];
}
