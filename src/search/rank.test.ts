import { beforeEach, describe, expect, test } from 'vitest';
import {
  addMember,
  createDocument,
  createGroup,
  createUser,
  type DocumentOptions,
  shareDocument,
  type TestUser,
} from '../../test/factories.ts';
import { type FakeEmbeddingModel, fakeEmbeddingModel } from '../../test/fakes/embedding-model.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { AppError } from '../errors/app-error.ts';
import { selectPassages } from './queries.ts';
import { searchHybrid, searchKeyword, searchVector } from './rank.ts';
import type { SearchFilters } from './search.ts';

const MODES = [
  ['keyword', searchKeyword],
  ['vector', searchVector],
  ['hybrid', searchHybrid],
] as const;

let db: Database;
let model: FakeEmbeddingModel;
let ada: TestUser;
let degradedStages: string[];

beforeEach(async () => {
  const created = await createTestDatabase();
  db = created.db;
  model = fakeEmbeddingModel({ dimensions: 256 });
  ada = await createUser(db);
  degradedStages = [];
  return created.close;
});

function add(options: DocumentOptions) {
  const vectors = { modelId: model.id, dimensions: model.dimensions };
  return createDocument(db, { ownerId: ada.userId, vectors, ...options });
}

function search(by: typeof searchKeyword, query: string, options: { filters?: SearchFilters; limit?: number } = {}) {
  const deps = {
    db,
    embeddingModel: model as FakeEmbeddingModel | null,
    onDegraded: (stage: string) => degradedStages.push(stage),
  };
  return by(deps, { subject: ada.subject, query, limit: options.limit ?? 10, filters: options.filters ?? {} });
}

async function titles(by: typeof searchKeyword, query: string, filters: SearchFilters = {}): Promise<string[]> {
  const { results } = await search(by, query, { filters });
  return [...new Set(results.map((result) => result.title))].toSorted();
}

describe.each(MODES)('%s search', (_, by) => {
  test('puts the passage that says most first, with its place in its document', async () => {
    await add({
      title: 'Rivers',
      chunks: ['The river is long.', 'Boats on the river sail to the sea, the deep blue sea.'],
    });
    await add({ title: 'Deserts', chunks: ['The desert is dry.'] });

    const { results, degraded } = await search(by, 'deep blue sea');

    expect(degraded).toEqual([]);
    expect(results[0]).toMatchObject({
      title: 'Rivers',
      text: 'Boats on the river sail to the sea, the deep blue sea.',
      location: { charStart: 20, charEnd: 74, pageStart: null, headingPath: [] },
    });
    const scores = results.map((result) => result.score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  });

  test('answers no more than the limit', async () => {
    await add({ chunks: Array.from({ length: 12 }, (_, i) => `The word is number${i}.`) });

    expect((await search(by, 'word', { limit: 5 })).results).toHaveLength(5);
  });

  test('finds nothing in an empty library', async () => {
    expect(await search(by, 'word')).toEqual({ results: [], degraded: [] });
  });

  test('shows only what the caller may see', async () => {
    const eve = await createUser(db);
    await add({ title: 'mine', chunks: ['A word.'] });
    await add({ title: 'of Eve', ownerId: eve.userId, chunks: ['A word.'] });
    await add({ title: 'public', ownerId: null, chunks: ['A word.'] });

    expect(await titles(by, 'word')).toEqual(['mine', 'public']);
  });

  test('ignores versions that are being built', async () => {
    const { documentId } = await add({ title: 'in the making', chunks: ['A word.'] });
    await db.batch([sql`UPDATE documents SET current_version_id = NULL WHERE document_id = ${documentId}`]);

    expect(await titles(by, 'word')).toEqual([]);
  });

  describe('filters by', () => {
    test('documents', async () => {
      const one = await add({ title: 'one', chunks: ['A word.'] });
      await add({ title: 'two', chunks: ['A word.'] });

      expect(await titles(by, 'word', { documentIds: [one.documentId] })).toEqual(['one']);
      expect(await titles(by, 'word', { documentIds: [] })).toEqual([]);
    });

    test('groups, of which only those count that the caller is in', async () => {
      const [mine, others] = [await createGroup(db), await createGroup(db)];
      await addMember(db, mine, ada.userId);
      const inMine = await add({ title: 'in mine', chunks: ['A word.'] });
      const inOthers = await add({ title: 'in others', chunks: ['A word.'] });
      await shareDocument(db, inMine.documentId, { groupId: mine });
      await shareDocument(db, inOthers.documentId, { groupId: others });

      expect(await titles(by, 'word', { groupIds: [mine, others] })).toEqual(['in mine']);
    });

    test('any of several tags', async () => {
      await add({ title: 'a', tags: ['x', 'y'], chunks: ['A word.'] });
      await add({ title: 'b', tags: ['z'], chunks: ['A word.'] });
      await add({ title: 'c', tags: [], chunks: ['A word.'] });

      expect(await titles(by, 'word', { tags: ['y', 'z'] })).toEqual(['a', 'b']);
    });

    test('types of sources', async () => {
      await add({ title: 'a', sourceType: 'web', chunks: ['A word.'] });
      await add({ title: 'b', sourceType: 'file', chunks: ['A word.'] });

      expect(await titles(by, 'word', { sourceTypes: ['web', 'rss'] })).toEqual(['a']);
    });

    test('creation, both ends included', async () => {
      for (const createdAt of [1_000, 2_000, 3_000, 4_000]) {
        await add({ title: String(createdAt), createdAt, chunks: ['A word.'] });
      }

      expect(await titles(by, 'word', { createdAfter: 2_000, createdBefore: 3_000 })).toEqual(['2000', '3000']);
    });

    test('metadata, by value and type', async () => {
      await add({ title: 'text', metadata: { n: '1' }, chunks: ['A word.'] });
      await add({ title: 'number', metadata: { n: 1 }, chunks: ['A word.'] });
      await add({ title: 'true', metadata: { n: true }, chunks: ['A word.'] });
      await add({ title: 'nested', metadata: { deep: { n: 1 } }, chunks: ['A word.'] });
      await add({ title: 'two', metadata: { n: 1, 'a.b': 'x' }, chunks: ['A word.'] });

      expect(await titles(by, 'word', { metadata: { n: '1' } })).toEqual(['text']);
      expect(await titles(by, 'word', { metadata: { n: 1 } })).toEqual(['number', 'two']);
      expect(await titles(by, 'word', { metadata: { n: true } })).toEqual(['true']);
      expect(await titles(by, 'word', { metadata: { n: 1, 'a.b': 'x' } })).toEqual(['two']);
    });

    test('all of them together', async () => {
      await add({ title: 'both', tags: ['x'], sourceType: 'web', chunks: ['A word.'] });
      await add({ title: 'tag only', tags: ['x'], sourceType: 'file', chunks: ['A word.'] });

      expect(await titles(by, 'word', { tags: ['x'], sourceTypes: ['web'] })).toEqual(['both']);
    });

    test('and finds what they leave, however many others rank before it', async () => {
      await add({ title: 'loud', chunks: Array.from({ length: 60 }, () => 'word word word') });
      await add({ title: 'loud too', chunks: Array.from({ length: 60 }, () => 'word word word') });
      const quiet = await add({ title: 'quiet', chunks: ['A long sentence in which the word occurs once only.'] });

      expect(await titles(by, 'word', { documentIds: [quiet.documentId] })).toEqual(['quiet']);
    });
  });
});

describe('keyword search', () => {
  test('finds a document by its title', async () => {
    await add({ title: 'Aardvarks', chunks: ['They eat ants.'] });

    expect(await titles(searchKeyword, 'aardvark')).toEqual(['Aardvarks']);
  });

  test.each(['!!! ???', '', '"'])('finds nothing for a query without words: %j', async (query) => {
    await add({ chunks: ['A word.'] });

    expect((await search(searchKeyword, query)).results).toEqual([]);
  });
});

describe('vector search', () => {
  test('without a model is embedding_not_set_up', async () => {
    const deps = { db, embeddingModel: null, onDegraded: () => {} };

    const searched = searchVector(deps, { subject: ada.subject, query: 'x', limit: 1, filters: {} });

    await expect(searched).rejects.toMatchObject({ code: 'embedding_not_set_up' });
  });

  test('fails with the error of its model', async () => {
    await add({ chunks: ['A word.'] });
    model.before = () => {
      throw new AppError('provider_rate_limited');
    };

    await expect(search(searchVector, 'word')).rejects.toMatchObject({ code: 'provider_rate_limited' });
  });

  test('never compares vectors of another model', async () => {
    await add({ chunks: ['A word.'], vectors: { modelId: 'another', dimensions: 256 } });

    expect((await search(searchVector, 'word')).results).toEqual([]);
  });

  test('asks the model only where there is something to compare, with no more text than it reads', async () => {
    await search(searchVector, 'word');
    expect(model.queryTexts).toEqual([]);
    await add({ chunks: ['A word.'] });

    await search(searchVector, 'word '.repeat(500));

    expect(model.queryTexts).toHaveLength(1);
    expect(model.queryTexts[0]!.length).toBe(model.maxChars);
  });

  test('says when a document that may be seen has no vectors yet', async () => {
    const eve = await createUser(db);
    await add({ ownerId: eve.userId, status: 'ready_words_only', vectors: null });
    expect((await search(searchVector, 'word')).degraded).toEqual([]);

    const mine = await add({ status: 'ready_words_only', vectors: null });

    expect((await search(searchVector, 'word')).degraded).toEqual(['vectors_pending']);
    const elsewhere = { documentIds: ['another'] };
    expect((await search(searchVector, 'word', { filters: elsewhere })).degraded).toEqual([]);
    expect(mine.documentId).toBeTruthy();
  });
});

describe('hybrid search', () => {
  test('gives the scores of both lists and sorts by what they make together', async () => {
    await add({ title: 'both', chunks: ['apple pear plum'] });

    const { results } = await search(searchHybrid, 'apple pear plum');

    expect(results[0]!.scores).toEqual({
      keyword: expect.any(Number),
      vector: expect.closeTo(1, 2),
      fused: results[0]!.score,
    });
  });

  test('goes by the words alone when the model fails, and says so', async () => {
    await add({ title: 'found', chunks: ['A word.'] });
    model.before = () => {
      throw new AppError('provider_unavailable');
    };

    const { results, degraded } = await search(searchHybrid, 'word');

    expect(results).toMatchObject([{ title: 'found' }]);
    expect(degraded).toEqual(['embedding_unavailable']);
    expect(degradedStages).toEqual(['embedding']);
  });

  test.each([
    ['a query in a language the model knows', 'What does the river look like in the early morning?', 1],
    ['a short query in its script', 'river', 1],
    ['a query in another script', 'แม่น้ำเป็นอย่างไรในตอนเช้า', 0],
    ['a query in another language', 'Wie sieht der Fluss eigentlich am frühen Morgen aus?', 0],
  ])('asks the model about %s %#', async (_, query, asked) => {
    model = fakeEmbeddingModel({ languages: ['en'], dimensions: 256 });
    await add({ chunks: ['The river in the morning.'] });

    const { degraded } = await search(searchHybrid, query);

    expect(model.queryTexts).toHaveLength(asked);
    expect(degraded).toEqual([]);
  });

  test('does not ask a model of weight 0', async () => {
    model = fakeEmbeddingModel({ hybridWeight: 0 });
    await add({ chunks: ['A word.'] });

    expect((await search(searchHybrid, 'word')).results).toHaveLength(1);
    expect(model.queryTexts).toEqual([]);
  });
});

describe('what was revoked between the ranking and the reading', () => {
  test('is not read', async () => {
    const eve = await createUser(db);
    const shared = await add({ ownerId: eve.userId, chunks: ['A word.'] });
    await shareDocument(db, shared.documentId, { userId: ada.userId });
    expect((await selectPassages(db, ada.subject, shared.chunkIds)).size).toBe(1);

    await db.batch([sql`DELETE FROM resource_shares`]);

    expect((await selectPassages(db, ada.subject, shared.chunkIds)).size).toBe(0);
  });

  test('leaves its place to what ranks behind it', async () => {
    const eve = await createUser(db);
    const shared = await add({ title: 'shared', ownerId: eve.userId, chunks: ['word word word'] });
    await shareDocument(db, shared.documentId, { userId: ada.userId });
    await add({ title: 'mine', chunks: ['A longer text with the word in it.'] });
    let isRevoked = false;
    const revoking: Database = {
      path: db.path,
      async query(statement, options) {
        const rows = await db.query(statement, options);
        if (!isRevoked && statement.text.includes('bm25')) {
          isRevoked = true;
          await db.batch([sql`DELETE FROM resource_shares`]);
        }
        return rows;
      },
      batch: (statements) => db.batch(statements),
      dataVersion: () => db.dataVersion(),
      copyTo: (path) => db.copyTo(path),
      close: () => db.close(),
    };
    const deps = { db: revoking, embeddingModel: null, onDegraded: () => {} };

    const { results } = await searchKeyword(deps, { subject: ada.subject, query: 'word', limit: 1, filters: {} });

    expect(results.map((result) => result.title)).toEqual(['mine']);
  });
});
