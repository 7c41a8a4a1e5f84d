import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDocument, createUser, type TestUser } from '../../test/factories.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { searchKeyword } from './rank.ts';

let db: Database;
let close: () => Promise<void>;
let ada: TestUser;
let eve: TestUser;

beforeAll(async () => {
  ({ db, close } = await createTestDatabase());
  [ada, eve] = [await createUser(db), await createUser(db)];
});
afterAll(() => close());

/** Short, so that a title may have more words than one byte can count. */
const WORDS = ['ax', 'ox', 'ma', 'pi', 'qi', 'xu', 'yo'];
const aText = fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 300, size: 'max' });
const aPassage = fc.record({
  title: fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 150 }),
  text: aText,
});

type Passage = { title: string[]; text: string[] };

/** Okapi BM25, with the length of a passage measured by 130 words. */
function bm25(passages: readonly Passage[], query: readonly string[]): number[] {
  const count = ({ title, text }: Passage, word: string) =>
    [...title, ...text].filter((other) => other === word).length;
  return passages.map((passage) => {
    let score = 0;
    for (const word of query) {
      const n = passages.filter((other) => count(other, word) > 0).length;
      const f = count(passage, word);
      const length = passage.title.length + passage.text.length;
      const idf = Math.max(Math.log((passages.length - n + 0.5) / (n + 0.5)), 1e-6);
      score += (idf * f * 2.2) / (f + 1.2 * (0.25 + (0.75 * length) / 130));
    }
    return score;
  });
}

async function add({ userId }: TestUser, { title, text }: Passage, number: number): Promise<void> {
  await createDocument(db, { ownerId: userId, source: `${number}`, title: title.join(' '), chunks: [text.join(' ')] });
}

test('scores are BM25 over what the caller may see, whatever else is in the index and whatever is asked for of it', async () => {
  const aWorld = fc.record({
    own: fc.array(aPassage, { minLength: 1, maxLength: 8 }),
    foreign: fc.array(aPassage, { maxLength: 8 }),
    query: fc.uniqueArray(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(aWorld, async ({ own, foreign, query }) => {
      await db.batch([sql`DELETE FROM documents`]);
      const deps = { db, embeddingModel: null, onDegraded() {} };
      const request = { subject: ada.subject, query: query.join(' '), limit: 50, filters: {} };
      for (const [i, passage] of own.entries()) await add(ada, passage, i);
      const alone = await searchKeyword(deps, request);
      const expected = bm25(own, query).filter((score) => score > 0);
      const scores = alone.results.map(({ score }) => score);
      expect(scores).toHaveLength(expected.length);
      for (const [i, score] of expected.toSorted((a, b) => b - a).entries()) expect(scores[i]).toBeCloseTo(score, 11);

      for (const [i, passage] of foreign.entries()) await add(eve, passage, i);
      expect(await searchKeyword(deps, request)).toEqual(alone);

      const best = alone.results.slice(0, 1);
      const documentIds = best.map(({ documentId }) => documentId);
      expect((await searchKeyword(deps, { ...request, filters: { documentIds } })).results).toEqual(best);
    }),
    { numRuns: 40 },
  );
});
