import { beforeEach, expect, test } from 'vitest';
import { createDocument, createUser, type TestUser } from '../../test/factories.ts';
import { type FakeEmbeddingModel, fakeEmbeddingModel } from '../../test/fakes/embedding-model.ts';
import { TEST_SECRET } from '../../test/harness/accounts.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import { deriveSecrets, guestSubject, type Subject } from '../access/index.ts';
import { Cache } from '../cache/index.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { QueryVectorCache } from './query-vector.ts';
import { searchHybrid, searchVector } from './rank.ts';

let db: Database;
let model: FakeEmbeddingModel;
let ada: TestUser;
let queryVectors: QueryVectorCache;

beforeEach(async () => {
  const created = await createTestDatabase();
  db = created.db;
  model = fakeEmbeddingModel();
  ada = await createUser(db);
  queryVectors = { cache: new Cache({ db, log: { warn() {} } }), key: deriveSecrets(TEST_SECRET).queryKey };
  const vectors = { modelId: model.id, dimensions: model.dimensions };
  await createDocument(db, { ownerId: null, chunks: ['Otters sleep hand in hand.'], vectors });
  return async () => {
    await queryVectors.cache.close();
    await created.close();
  };
});

function ask(query: string, subject: Subject = ada.subject, by = searchVector) {
  const request = { subject, query, limit: 10, filters: {} };
  return by({ db, embeddingModel: model, queryVectors, onDegraded() {} }, request);
}

test('a query is embedded once for its user, whatever the search and the spaces', async () => {
  const first = await ask('how do otters sleep');
  expect(await ask('  how do\n otters sleep')).toEqual(first);
  await ask('how do otters sleep', ada.subject, searchHybrid);
  expect(model.queryTexts).toEqual(['how do otters sleep']);
});

test('nobody learns from the time of a search what others have asked', async () => {
  const bob = await createUser(db);
  await ask('how do otters sleep');
  await ask('how do otters sleep', bob.subject);
  expect(model.queryTexts).toHaveLength(2);
});

test('what a guest asks is not kept', async () => {
  await ask('how do otters sleep', guestSubject());
  await ask('how do otters sleep', guestSubject());
  expect(model.queryTexts).toHaveLength(2);
  expect(await db.query(sql`SELECT 1 AS found FROM cache`)).toEqual([]);
});

test('another model has its own vectors', async () => {
  await ask('how do otters sleep');
  model = fakeEmbeddingModel({ id: 'fake:words:2' });
  const vectors = { modelId: model.id, dimensions: model.dimensions };
  await createDocument(db, { ownerId: null, chunks: ['Otters sleep.'], vectors });
  await ask('how do otters sleep');
  expect(model.queryTexts).toHaveLength(1);
});

test('a model that fails is asked again', async () => {
  model.before = () => {
    throw new Error('no answer');
  };
  await expect(ask('how do otters sleep')).rejects.toThrow('no answer');
  model.before = () => {};
  expect((await ask('how do otters sleep')).results).toHaveLength(1);
});

test('the database holds no word of it, for an hour at most, and nothing when its user is gone', async () => {
  await ask('otters');
  await queryVectors.cache.stored();
  const [entry] = await db.query<{ key: string; hours: number }>(sql`SELECT cache_key AS key,
    (expires_at - unixepoch() * 1000) / 3600000.0 AS hours FROM cache`);
  expect(entry!.key).toMatch(/^query_vector:1:[0-9a-f]{64}$/);
  expect(entry!.hours).toBeLessThanOrEqual(1.01);
  await db.batch([sql`DELETE FROM users WHERE user_id = ${ada.userId}`]);
  expect(await db.query(sql`SELECT 1 AS found FROM cache`)).toEqual([]);
});
