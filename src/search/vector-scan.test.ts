import { expect, onTestFinished, test } from 'vitest';
import { createDocument } from '../../test/factories.ts';
import { wordVector } from '../../test/fakes/word-vectors.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { scanVectors } from './vector-scan.ts';

const DIMENSIONS = 32;
const MODEL = { modelId: 'm', dimensions: DIMENSIONS };
const WORDS = ['apple', 'pear', 'plum', 'fig', 'cherry', 'grape', 'lemon', 'melon'];

async function database(): Promise<Database> {
  const { db, close } = await createTestDatabase();
  onTestFinished(close);
  return db;
}

async function rowNumbers(db: Database): Promise<number[]> {
  return (await db.query<{ n: number }>(sql`SELECT rowid AS n FROM chunk_vectors ORDER BY rowid`)).map(({ n }) => n);
}

/** A text that is different for each number, though some are near each other. */
function textOf(n: number): string {
  return [0, 3, 6].map((shift) => WORDS[(n >> shift) % WORDS.length]).join(' ');
}

test('the best chunks are those of the exact search, over more rows than a page and more chunks than are kept', async () => {
  const db = await database();
  const texts = new Map<string, string>();
  for (let document = 0; document < 12; document++) {
    const chunks = Array.from({ length: 50 }, (_, i) => textOf((document * 50 + i) * 7));
    const { chunkIds } = await createDocument(db, { chunks, vectors: MODEL });
    for (const [i, id] of chunkIds.entries()) texts.set(id, chunks[i]!);
  }
  const query = Float32Array.from(wordVector('apple plum', DIMENSIONS));

  const found = await scanVectors(db, await rowNumbers(db), query, 20);

  const exact = [...texts.values()]
    .map((text) => wordVector(text, DIMENSIONS).reduce((sum, component, i) => sum + component * query[i]!, 0))
    .sort((a, b) => b - a)
    .slice(0, 20);
  expect(found).toHaveLength(20);
  for (const [i, { score }] of found.entries()) expect(Math.abs(score - exact[i]!)).toBeLessThan(0.02);
  expect(new Set(found.map(({ chunkId }) => chunkId)).size).toBe(20);
  expect(await scanVectors(db, await rowNumbers(db), query, 20)).toEqual(found);
});

test('a chunk of several pieces counts once, as its best piece', async () => {
  const db = await database();
  const { versionId, chunkIds } = await createDocument(db, { chunks: ['pear', 'apple', 'fig'], vectors: MODEL });
  // The three pieces become: two of chunk 0, one of chunk 2.
  const ordinals = new Uint8Array(Int32Array.from([0, 0, 2]).buffer);
  await db.batch([sql`UPDATE chunk_vectors SET ordinals = ${ordinals} WHERE version_id = ${versionId}`]);
  const query = Float32Array.from(wordVector('apple', DIMENSIONS));

  const found = await scanVectors(db, await rowNumbers(db), query, 10);

  expect(found.map(({ chunkId }) => chunkId)).toEqual([chunkIds[0], chunkIds[2]]);
  expect(found[0]!.score).toBeCloseTo(1, 2);
});

test('no rows give no candidates, and rows that are gone are passed over', async () => {
  const db = await database();
  const { chunkIds } = await createDocument(db, { chunks: ['apple'], vectors: MODEL });
  const query = Float32Array.from(wordVector('apple', DIMENSIONS));

  expect(await scanVectors(db, [], query, 10)).toEqual([]);
  const found = await scanVectors(db, [...(await rowNumbers(db)), 999], query, 10);
  expect(found.map(({ chunkId }) => chunkId)).toEqual(chunkIds);
});
