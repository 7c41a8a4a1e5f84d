import { type Subject, visibleDocuments } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { joinSql, type Sql, sql } from '../db/sql.ts';
import { chunkIdOf, hasAnyTag, sharedWithGroups } from '../documents/index.ts';
import type { Candidate, SearchFilters, SearchResult } from './search.ts';

/** Versions that may be ranked: what the subject may see, then what the filters leave. Nothing is cut afterwards. */
function allowedVersions(subject: Subject, filters: SearchFilters): Sql {
  return sql`SELECT d.current_version_id AS version_id, d.document_id
    FROM ${visibleDocuments(subject)} v CROSS JOIN documents d ON d.document_id = v.document_id
    WHERE d.current_version_id IS NOT NULL AND ${joinSql(filterConditions(subject, filters), ' AND ')}`;
}

function filterConditions(subject: Subject, filters: SearchFilters): Sql[] {
  const conditions: Sql[] = [sql`1`];
  if (filters.documentIds !== undefined) conditions.push(isOneOf(sql`d.document_id`, filters.documentIds));
  if (filters.groupIds !== undefined) conditions.push(sharedWithGroups(subject, filters.groupIds));
  if (filters.tags !== undefined) conditions.push(hasAnyTag(filters.tags));
  if (filters.sourceTypes !== undefined) conditions.push(isOneOf(sql`d.source_type`, filters.sourceTypes));
  if (filters.createdAfter !== undefined) conditions.push(sql`d.created_at >= ${filters.createdAfter}`);
  if (filters.createdBefore !== undefined) conditions.push(sql`d.created_at <= ${filters.createdBefore}`);
  for (const [field, value] of Object.entries(filters.metadata ?? {})) conditions.push(metadataEquals(field, value));
  return conditions;
}

function isOneOf(column: Sql, values: readonly string[]): Sql {
  return sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`;
}

/** By value and JSON type: the text "1" is not the number 1, and neither is true. */
function metadataEquals(field: string, value: string | number | boolean): Sql {
  return sql`EXISTS (SELECT 1 FROM json_each(d.metadata) m, json_each(${JSON.stringify([value])}) w
    WHERE m.key = ${field} AND m.value = w.value
      AND (m.type = w.type OR (m.type IN ('integer', 'real') AND w.type IN ('integer', 'real'))))`;
}

/** The best `limit` passages by BM25 of an FTS5 query. */
export async function selectByWords(
  db: Database,
  subject: Subject,
  filters: SearchFilters,
  ftsQuery: string,
  limit: number,
): Promise<Candidate[]> {
  const rows = await db.query<{ version_id: string; ordinal: number; rank: number }>(
    sql`WITH allowed AS MATERIALIZED (${allowedVersions(subject, filters)})
      SELECT c.version_id, c.ordinal, bm25(chunk_words) AS rank
      FROM chunk_words CROSS JOIN chunks c ON c.chunk_seq = chunk_words.rowid
        CROSS JOIN allowed a ON a.version_id = c.version_id
      WHERE chunk_words MATCH ${ftsQuery}
      ORDER BY rank, c.chunk_seq LIMIT ${limit}`,
    { offThread: true },
  );
  return rows.map((row) => ({ chunkId: chunkIdOf(row.version_id, row.ordinal), score: -row.rank }));
}

/** Rows of packed vectors that may be scanned, as their row numbers. */
export async function selectVectorRows(
  db: Database,
  subject: Subject,
  filters: SearchFilters,
  modelId: string,
): Promise<number[]> {
  const rows = await db.query<{ row_number: number }>(
    sql`WITH allowed AS MATERIALIZED (${allowedVersions(subject, filters)})
      SELECT cv.rowid AS row_number FROM allowed a CROSS JOIN chunk_vectors cv ON cv.version_id = a.version_id
        AND cv.model_key = (SELECT model_key FROM embedding_models WHERE model_id = ${modelId})
      ORDER BY cv.rowid`,
    { offThread: true },
  );
  return rows.map((row) => row.row_number);
}

export interface VectorRow {
  versionId: string;
  /** The chunk of each piece. */
  ordinals: Int32Array;
  scales: Float32Array;
  codes: Int8Array;
}

export async function selectVectors(db: Database, rowNumbers: readonly number[]): Promise<VectorRow[]> {
  const rows = await db.query<{ version_id: string; ordinals: Uint8Array; scales: Uint8Array; codes: Uint8Array }>(
    sql`SELECT version_id, ordinals, scales, codes FROM chunk_vectors
      WHERE rowid IN (SELECT value FROM json_each(${JSON.stringify(rowNumbers)}))`,
    { offThread: true },
  );
  return rows.map((row) => ({
    versionId: row.version_id,
    ordinals: new Int32Array(alignedBuffer(row.ordinals)),
    scales: new Float32Array(alignedBuffer(row.scales)),
    codes: new Int8Array(row.codes.buffer, row.codes.byteOffset, row.codes.byteLength),
  }));
}

/** A typed array of four-byte elements cannot start at any byte, and a BLOB may. */
function alignedBuffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength
    ? (bytes.buffer as ArrayBuffer)
    : (bytes.slice().buffer as ArrayBuffer);
}

export async function hasDocumentsWithoutVectors(
  db: Database,
  subject: Subject,
  filters: SearchFilters,
): Promise<boolean> {
  const rows = await db.query(sql`SELECT 1 AS found FROM documents d
    CROSS JOIN ${visibleDocuments(subject)} v ON v.document_id = d.document_id
    WHERE d.status = 'ready_words_only' AND ${joinSql(filterConditions(subject, filters), ' AND ')} LIMIT 1`);
  return rows.length > 0;
}

/** A passage as it is shown, without its rank. */
export type Passage = Omit<SearchResult, 'score' | 'scores'>;

/** Reads the passages through the relation once more: what was revoked since the ranking is not shown. */
export async function selectPassages(
  db: Database,
  subject: Subject,
  chunkIds: readonly string[],
): Promise<Map<string, Passage>> {
  const keys = chunkIds.map((id) => [id.slice(0, id.lastIndexOf('.')), Number(id.slice(id.lastIndexOf('.') + 1))]);
  const rows = await db.query(sql`SELECT c.*, d.document_id, d.title, d.source
    FROM json_each(${JSON.stringify(keys)}) k
    CROSS JOIN chunks c ON c.version_id = k.value ->> 0 AND c.ordinal = k.value ->> 1
    CROSS JOIN document_versions n ON n.version_id = c.version_id
    CROSS JOIN documents d ON d.document_id = n.document_id AND d.current_version_id = c.version_id
    CROSS JOIN ${visibleDocuments(subject)} v ON v.document_id = d.document_id`);
  return new Map(
    rows.map((row) => {
      const chunkId = chunkIdOf(row.version_id as string, row.ordinal as number);
      const passage: Passage = {
        chunkId,
        documentId: row.document_id as string,
        title: row.title as string,
        text: row.text as string,
        location: {
          pageStart: row.page_start as number | null,
          pageEnd: row.page_end as number | null,
          charStart: row.char_start as number,
          charEnd: row.char_end as number,
          headingPath: JSON.parse(row.heading_path as string),
        },
        source: row.source as string,
      };
      return [chunkId, passage];
    }),
  );
}
