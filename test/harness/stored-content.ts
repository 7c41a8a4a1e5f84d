import { createHash } from 'node:crypto';
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { wordIndexFaults } from './word-index.ts';

/** Everything that was made of the documents, without ids and instants, as one hash; and where the word index is wrong. */
export async function storedContent(db: Database) {
  const tables = {
    documents: sql`SELECT title, version, status, current_version_id IS NOT NULL AS is_current FROM documents`,
    versions: sql`SELECT number, title, media_type, chunker, chunk_count, indexed_count, warnings, content_hash, page_count,
      fetched_at > 0 AND parsed_at > 0 AND chunked_at > 0 AND indexed_at > 0 AND embedded_at > 0 AS is_whole
      FROM document_versions`,
    parts: sql`SELECT count(*) AS n FROM document_parts`,
    texts: sql`SELECT text, spans FROM document_texts`,
    chunks: sql`SELECT chunk_seq, ordinal, char_start, char_end, page_start, page_end, heading_path, token_count, text
      FROM chunks ORDER BY ordinal`,
    vectors: sql`SELECT part, piece_count, hex(ordinals) AS o, hex(scales) AS s, hex(codes) AS c FROM chunk_vectors ORDER BY part`,
    cache: sql`SELECT hex(text_hash) AS hash, scale, hex(codes) AS codes FROM embedding_cache ORDER BY text_hash`,
  };
  const entries = Object.entries(tables).map(async ([name, select]) => [name, await db.query(select)]);
  const content = JSON.stringify(Object.fromEntries(await Promise.all(entries)));
  return { faults: await wordIndexFaults(db), hash: createHash('sha256').update(content).digest('hex') };
}
