import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addMember,
  createDocument,
  createGroup,
  createUser,
  shareDocument,
  type TestUser,
} from '../../test/factories.ts';
import { fakeChatModel } from '../../test/fakes/chat-model.ts';
import { fakeEmbeddingModel } from '../../test/fakes/embedding-model.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { INVARIANTS } from '../admin/invariants.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import {
  changeLimits,
  createTokenMeter,
  meteredChat,
  meteredEmbedding,
  type QuotaDefaults,
  type QuotaHolder,
  readGroupQuota,
  readQuota,
  requireRoom,
  UNLIMITED,
} from './index.ts';

const NO_LIMITS: QuotaDefaults = { user: UNLIMITED, group: UNLIMITED };

let database: TestDatabase;
let db: Database;
let ada: TestUser;
let grace: TestUser;
let groupId: string;
beforeEach(async () => {
  database = await createTestDatabase();
  db = database.db;
  ada = await createUser(db);
  grace = await createUser(db);
  groupId = await createGroup(db);
  await addMember(db, groupId, ada.userId, { role: 'admin' });
});
afterEach(() => database.close());

async function used(holder: QuotaHolder) {
  const { documents, bytes, chunks } = await readQuota({ db, quotas: NO_LIMITS }, holder);
  return [documents.used, bytes.used, chunks.used];
}
const ofUser = ({ userId }: TestUser) => used({ kind: 'user', id: userId });
const ofGroup = () => used({ kind: 'group', id: groupId });

async function countersThatAreWrong(): Promise<number> {
  const invariant = INVARIANTS.find(({ name }) => name === 'quotas_count_what_is_there')!;
  return (await db.query(invariant.sql))[0]!.n;
}

describe('what is counted', () => {
  test('follows a document from its first byte to its last, for its owner and its groups', async () => {
    const { documentId, versionId } = await createDocument(db, { ownerId: ada.userId, chunks: ['One.', 'Two.'] });
    expect(await ofUser(ada)).toEqual([1, 0, 2]);

    await db.batch([sql`UPDATE document_versions SET bytes = 70 WHERE version_id = ${versionId}`]);
    const shareId = await shareDocument(db, documentId, { groupId });
    expect([await ofUser(ada), await ofGroup()]).toEqual([
      [1, 70, 2],
      [1, 70, 2],
    ]);

    await db.batch([
      sql`INSERT INTO document_versions (version_id, document_id, number, bytes, created_at) VALUES ('second', ${documentId}, 2, 30, 0)`,
      sql`UPDATE document_versions SET chunk_count = 5 WHERE version_id = 'second'`,
    ]);
    expect([await ofUser(ada), await ofGroup()]).toEqual([
      [1, 100, 7],
      [1, 100, 7],
    ]);

    await db.batch([sql`DELETE FROM document_versions WHERE version_id = 'second'`]);
    await db.batch([sql`UPDATE documents SET owner_id = ${grace.userId} WHERE document_id = ${documentId}`]);
    expect([await ofUser(ada), await ofUser(grace)]).toEqual([
      [0, 0, 0],
      [1, 70, 2],
    ]);

    await db.batch([sql`DELETE FROM resource_shares WHERE share_id = ${shareId}`]);
    expect(await ofGroup()).toEqual([0, 0, 0]);
    expect(await countersThatAreWrong()).toBe(0);

    await shareDocument(db, documentId, { groupId });
    await db.batch([sql`DELETE FROM documents WHERE document_id = ${documentId}`]);
    expect([await ofUser(grace), await ofGroup()]).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
    expect(await countersThatAreWrong()).toBe(0);
  });

  test('goes with a user, and from the groups that saw what was theirs', async () => {
    const { documentId } = await createDocument(db, { ownerId: grace.userId });
    await shareDocument(db, documentId, { groupId });
    await db.batch([sql`DELETE FROM users WHERE user_id = ${grace.userId}`]);
    expect(await ofGroup()).toEqual([0, 0, 0]);
    await expect(ofUser(grace)).rejects.toMatchObject({ code: 'not_found' });
    expect(await countersThatAreWrong()).toBe(0);
  });

  test('is of nobody for a public document, and is given up by whoever publishes one', async () => {
    const { documentId } = await createDocument(db, { ownerId: ada.userId });
    await db.batch([sql`UPDATE documents SET owner_id = NULL WHERE document_id = ${documentId}`]);
    expect(await ofUser(ada)).toEqual([0, 0, 0]);
    await db.batch([sql`DELETE FROM documents WHERE document_id = ${documentId}`]);
    expect(await countersThatAreWrong()).toBe(0);
  });

  test('is found by the doctor where it is not right', async () => {
    await db.batch([sql`UPDATE user_quotas SET documents = 3 WHERE user_id = ${ada.userId}`]);
    expect(await countersThatAreWrong()).toBe(1);
  });
});

describe('a limit', () => {
  const twoDocuments: QuotaDefaults = { user: { ...UNLIMITED, documents: 2 }, group: UNLIMITED };

  /** As whoever adds one does it: the document, then the question whether there was room. */
  function add(documentId: string, defaults: QuotaDefaults) {
    return db.batch([
      sql`INSERT INTO documents (document_id, owner_id, source_type, source, title, created_at, updated_at)
        VALUES (${documentId}, ${ada.userId}, 'text', ${documentId}, 'A title', 0, 0)`,
      ...requireRoom(documentId, ['documents', 'bytes'], defaults),
    ]);
  }

  test('holds however many ask at once', async () => {
    const results = await Promise.allSettled(Array.from({ length: 12 }, (_, n) => add(`d${n}`, twoDocuments)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'quota_full' });
    }
    expect(await ofUser(ada)).toEqual([2, 0, 0]);
  });

  test('of a group holds for what is shared with it', async () => {
    const one: QuotaDefaults = { user: UNLIMITED, group: { ...UNLIMITED, documents: 1 } };
    for (const id of ['a', 'b']) {
      await add(id, NO_LIMITS);
      await shareDocument(db, id, { groupId });
    }
    await expect(db.batch(requireRoom('a', ['documents'], one))).rejects.toMatchObject({ code: 'quota_full' });
    await db.batch(requireRoom('a', ['bytes', 'chunks'], one));
  });

  test('may be set for one user, lifted altogether, and given back', async () => {
    const deps = { db, quotas: twoDocuments };
    const holder = { kind: 'user', id: ada.userId } as const;
    await changeLimits(deps, grace.subject, holder, { documents: 1 });
    await add('a', twoDocuments);
    await expect(add('b', twoDocuments)).rejects.toMatchObject({ code: 'quota_full' });

    const { documents, ownLimits } = await changeLimits(deps, grace.subject, holder, { documents: null, bytes: 5 });
    expect([documents, ownLimits]).toEqual([
      { used: 1, limit: null },
      { documents: null, bytes: 5 },
    ]);
    for (const id of ['b', 'c']) await add(id, twoDocuments);

    expect((await changeLimits(deps, grace.subject, holder, {})).documents).toEqual({ used: 3, limit: 2 });
    await expect(add('d', twoDocuments)).rejects.toMatchObject({ code: 'quota_full' });
    expect(await db.query(sql`SELECT action, detail FROM audit_log ORDER BY seq LIMIT 1`)).toEqual([
      { action: 'quota.changed', detail: '{"documents":1}' },
    ]);
  });

  test('of somebody who is not there cannot be set', async () => {
    const nobody = { kind: 'group', id: 'unknown' } as const;
    await expect(changeLimits({ db, quotas: NO_LIMITS }, ada.subject, nobody, {})).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});

test('what a group has is for its members', async () => {
  const deps = { db, quotas: NO_LIMITS };
  expect(await readGroupQuota(deps, ada.subject, groupId)).toMatchObject({ documents: { used: 0, limit: null } });
  await expect(readGroupQuota(deps, grace.subject, groupId)).rejects.toMatchObject({ code: 'not_found' });
});

describe('tokens', () => {
  const tenADay: QuotaDefaults = {
    user: { ...UNLIMITED, tokensPerDay: 10 },
    group: { ...UNLIMITED, tokensPerDay: 10 },
  };

  async function tokensOf(holder: QuotaHolder): Promise<number> {
    return (await readQuota({ db, quotas: tenADay }, holder)).tokensPerDay.used;
  }
  const adas = () => tokensOf({ kind: 'user', id: ada.userId });

  test('are set aside before a call, and refused with the time until the next day', async () => {
    const meter = createTokenMeter(db, tenADay);
    const payer = { userId: ada.userId };
    const results = await Promise.allSettled(Array.from({ length: 5 }, () => meter.reserve(payer, 4)));
    expect(results.map(({ status }) => status).sort()).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
    ]);
    const refused = results.find((result) => result.status === 'rejected')!;
    expect(refused.reason).toMatchObject({ code: 'quota_exceeded', retryable: true });
    expect(refused.reason.retryAfterSeconds).toBeGreaterThan(0);
    expect(refused.reason.retryAfterSeconds).toBeLessThanOrEqual(86_400);
    expect(await adas()).toBe(8);
  });

  test('of yesterday do not count today', async () => {
    await db.batch([sql`UPDATE user_quotas SET tokens = 10, token_day = token_day + 1 WHERE user_id = ${ada.userId}`]);
    expect(await adas()).toBe(0);
    await createTokenMeter(db, tenADay).reserve({ userId: ada.userId }, 10);
    expect(await adas()).toBe(10);
  });

  test('of a document are its owner and its groups to pay', async () => {
    const { documentId } = await createDocument(db, { ownerId: grace.userId });
    await shareDocument(db, documentId, { groupId });
    const meter = createTokenMeter(db, tenADay);
    await meter.reserve({ documentId }, 6);
    expect(await tokensOf({ kind: 'user', id: grace.userId })).toBe(6);
    expect(await tokensOf({ kind: 'group', id: groupId })).toBe(6);

    const another = await createDocument(db, { ownerId: ada.userId });
    await shareDocument(db, another.documentId, { groupId });
    await expect(meter.reserve({ documentId: another.documentId }, 6)).rejects.toMatchObject({
      code: 'quota_exceeded',
    });
    expect(await adas()).toBe(0);
  });

  test('of a model are what its provider reports, the estimate where it says nothing, none where it failed', async () => {
    const meter = createTokenMeter(db, NO_LIMITS);
    const model = fakeEmbeddingModel({ isMetered: true });
    const embed = model.embed.bind(model);
    const metered = meteredEmbedding(model, meter, { userId: ada.userId });
    await metered.embed(['eight by'], { purpose: 'query' });
    expect(await adas()).toBe(2);

    model.embed = (texts, options) => {
      options.onTokens?.(5);
      return embed(texts, options);
    };
    await meteredEmbedding(model, meter, { userId: ada.userId }).embed(['eight by'], { purpose: 'query' });
    expect(await adas()).toBe(7);

    model.embed = () => Promise.reject(new Error('down'));
    const failing = meteredEmbedding(model, meter, { userId: ada.userId });
    await expect(failing.embed(['eight by'], { purpose: 'query' })).rejects.toThrow('down');
    expect(await adas()).toBe(7);
  });

  test('are not counted for a model that nobody is paid for', () => {
    const model = fakeEmbeddingModel();
    expect(meteredEmbedding(model, createTokenMeter(db, tenADay), { userId: ada.userId })).toBe(model);
  });

  test('of an answer that is not to be paid are not spent', async () => {
    const model = fakeChatModel(['An answer.']);
    const metered = meteredChat(model, createTokenMeter(db, tenADay), { userId: ada.userId });
    const request = { system: 's', prompt: 'p', maxOutputTokens: 100 };
    await expect(metered.generate(request)).rejects.toMatchObject({ code: 'quota_exceeded' });
    await expect(metered.stream(request)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'quota_exceeded',
    });
    expect([model.requests, await adas()]).toEqual([[], 0]);

    const enough = meteredChat(model, createTokenMeter(db, NO_LIMITS), { userId: ada.userId });
    await enough.generate(request);
    expect(await adas()).toBe(18);
  });
});
