import { segmentWords } from '../../src/base/words.ts';
import type { Database } from '../../src/db/database.ts';
import { type Row, sql } from '../../src/db/sql.ts';

/** Tables in which FTS5 lists every word of an index by row, column and place. */
const VOCABULARY = [
  sql`CREATE VIRTUAL TABLE expected_words USING fts5(title, body, tokenize = "porter unicode61 categories 'L* N* Co Mn Mc'")`,
  sql`CREATE VIRTUAL TABLE expected_terms USING fts5vocab(expected_words, instance)`,
  sql`CREATE VIRTUAL TABLE actual_terms USING fts5vocab(chunk_words, instance)`,
];
const DROP = ['expected_terms', 'actual_terms', 'expected_words'].map((table) => ({
  text: `DROP TABLE IF EXISTS ${table}`,
  values: [],
}));

/**
 * Where the word index differs from what the chunks of indexed versions say: words that are missing, there twice, or there
 * without a chunk. `[]` when it is exact. Also lets FTS5 check itself, which throws.
 */
export async function wordIndexFaults(db: Database): Promise<Row[]> {
  const chunks = await db.query(sql`SELECT c.chunk_seq, c.text, c.heading_path, coalesce(n.title, d.title) AS title
    FROM chunks c JOIN document_versions n ON n.version_id = c.version_id
      JOIN documents d ON d.document_id = n.document_id
    WHERE c.ordinal < n.indexed_count`);
  const rows = chunks.map((chunk) => [
    chunk.chunk_seq,
    segmentWords([chunk.title, ...JSON.parse(chunk.heading_path as string)].join('\n')),
    segmentWords(chunk.text as string),
  ]);
  await db.batch([
    ...DROP,
    ...VOCABULARY,
    sql`INSERT INTO expected_words (rowid, title, body)
      SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(${JSON.stringify(rows)})`,
    sql`INSERT INTO chunk_words (chunk_words) VALUES ('integrity-check')`,
  ]);
  const [faults] = await db.batch([
    sql`SELECT 'missing' AS fault, * FROM (SELECT * FROM expected_terms EXCEPT SELECT * FROM actual_terms)
      UNION ALL SELECT 'too much', * FROM (SELECT * FROM actual_terms EXCEPT SELECT * FROM expected_terms)`,
    ...DROP,
  ]);
  return faults!;
}
