import { type Subject, visibleDocuments } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { joinSql, type Sql, sql } from '../db/sql.ts';
import { chunkIdOf, hasAnyTag, sharedWithGroups } from '../documents/index.ts';
import type { Candidate, SearchFilters, SearchResult } from './search.ts';

/** Versions that may be ranked: what the subject may see, then what the filters leave. Nothing is cut afterwards. */
function allowedVersions(subject: Subject, filters: SearchFilters): Sql {
  return sql`SELECT version_id FROM (${visibleVersions(subject, filters)}) WHERE is_asked`;
}

/** Every version the subject may see, and whether the filters leave it. */
function visibleVersions(subject: Subject, filters: SearchFilters): Sql {
  return sql`SELECT d.current_version_id AS version_id, (${joinSql(filterConditions(subject, filters), ' AND ')}) AS is_asked
    FROM ${visibleDocuments(subject)} v CROSS JOIN documents d ON d.document_id = v.document_id
    WHERE d.current_version_id IS NOT NULL`;
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

/**
 * The parameters of Okapi BM25 as FTS5 has them, and the length that a passage is measured by: a fixed one, since an average
 * would have to be that of what the caller may see. 130 words are what the chunker makes of English prose.
 */
const K1 = 1.2;
const B = 0.75;
const USUAL_WORDS = 130;
/** Of a word that more than half of the passages have, as in FTS5: it counts only where no other does. */
const LEAST_RARITY = 1e-6;

/** `k1 · (1 - b + b · length / usual length)` */
function lengthPart(words: Sql, usualWords: number): Sql {
  return sql`(${K1 * (1 - B)} + ${K1 * B} * ${words} / ${usualWords})`;
}

/**
 * The best `limit` passages by BM25 of these FTS5 expressions, of which any may be found. How rare a term is counts among the
 * passages that the subject may see, whatever the filters leave of them: what a document is about is in most of its passages,
 * and would count for nothing when it is asked about alone. By FTS5's own `bm25()`, which counts in the whole index, scores and their order would tell
 * what words the documents of others have, and how long they are. So its share of that is taken out again: `bm25()` is
 * `idf · f · (k1 + 1) / (f + length part)`, and the same with a column weight that makes `f` boundless is `idf · (k1 + 1)`, so
 * the two together give `f / (f + length part)`; FTS5 keeps the words of the row and of the index, which give the length
 * part; and what is left is `f`, a whole number.
 */
export async function selectByWords(
  db: Database,
  subject: Subject,
  filters: SearchFilters,
  terms: readonly string[],
  limit: number,
): Promise<Candidate[]> {
  const averageWords = await selectAverageWords(db);
  const rows = await db.query<{ version_id: string; ordinal: number; score: number }>(
    sql`WITH visible AS MATERIALIZED (${visibleVersions(subject, filters)}),
      found AS MATERIALIZED (
        SELECT t.key AS term, c.chunk_seq, v.is_asked, bm25(chunk_words) / bm25(chunk_words, 1e12, 1e12) AS share,
          ('0x' || hex(s.sz)) ->> '$' AS sizes
        FROM json_each(${JSON.stringify(terms)}) t CROSS JOIN chunk_words ON chunk_words MATCH t.value
          CROSS JOIN chunks c ON c.chunk_seq = chunk_words.rowid CROSS JOIN visible v ON v.version_id = c.version_id
          CROSS JOIN chunk_words_docsize s ON s.id = c.chunk_seq),
      measured AS (SELECT *, ${wordsIn(sql`sizes`)} AS words FROM found),
      counted AS MATERIALIZED (
        SELECT term, chunk_seq, is_asked, words, round(share / (1 - share) * ${lengthPart(sql`words`, averageWords)}) AS f
        FROM measured),
      passages AS MATERIALIZED (
        SELECT sum(v.indexed_count) AS n FROM visible CROSS JOIN document_versions v ON v.version_id = visible.version_id),
      rarities AS MATERIALIZED (
        SELECT term, max(ln((n - found_in + 0.5) / (found_in + 0.5)), ${LEAST_RARITY}) AS idf
        FROM (SELECT term, count(*) AS found_in FROM counted GROUP BY term), passages),
      ranked AS (
        SELECT chunk_seq, round(sum(idf * f * ${K1 + 1} / (f + ${lengthPart(sql`words`, USUAL_WORDS)})), 12) AS score
        FROM counted CROSS JOIN rarities USING (term) WHERE is_asked GROUP BY chunk_seq ORDER BY score DESC, chunk_seq LIMIT ${limit})
      SELECT c.version_id, c.ordinal, r.score FROM ranked r CROSS JOIN chunks c ON c.chunk_seq = r.chunk_seq
      ORDER BY r.score DESC, r.chunk_seq`,
    { offThread: true },
  );
  return rows.map((row) => ({ chunkId: chunkIdOf(row.version_id, row.ordinal), score: row.score }));
}

/**
 * FTS5 keeps the sizes of a row's columns as varints: seven bits a byte, the eighth set where another byte follows. With the
 * bytes as one number, and no column of 16,384 words, each byte counts 128 times or once.
 */
function wordsIn(sizes: Sql): Sql {
  const words = (at: number) => sql`((${sizes} >> ${at}) & 127) * (1 + 127 * ((${sizes} >> ${at + 7}) & 1))`;
  return sql`(${words(0)} + ${words(8)} + ${words(16)} + ${words(24)})`;
}

/** Of the rows of the whole index; a row that comes or goes meanwhile changes it too little to matter where `f` is rounded. */
async function selectAverageWords(db: Database): Promise<number> {
  const [averages] = await db.query<{ block: Uint8Array }>(sql`SELECT block FROM chunk_words_data WHERE id = 1`);
  const [rows = 0, ...columns] = varintsIn(averages?.block ?? new Uint8Array());
  return rows === 0 ? USUAL_WORDS : columns.reduce((sum, words) => sum + words, 0) / rows;
}

function varintsIn(bytes: Uint8Array): number[] {
  const numbers: number[] = [];
  let number = 0;
  for (const byte of bytes) {
    number = number * 128 + (byte & 127);
    if (byte > 127) continue;
    numbers.push(number);
    number = 0;
  }
  return numbers;
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
