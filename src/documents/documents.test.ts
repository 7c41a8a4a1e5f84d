import { beforeEach, describe, expect, test } from 'vitest';
import {
  addMember,
  createDocument,
  createGroup,
  createUser,
  HOUR_MS,
  shareDocument,
  subjectOf,
  type TestUser,
} from '../../test/factories.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import { guestSubject } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { changeDocument, removeDocument } from './change-document.ts';
import { type DocumentFilter, selectChunks, selectDocument, selectDocuments, selectOriginalFile } from './queries.ts';

let db: Database;
let ada: TestUser;
let eve: TestUser;

beforeEach(async () => {
  const created = await createTestDatabase();
  db = created.db;
  ada = await createUser(db);
  eve = await createUser(db);
  return created.close;
});

async function list(filter: Partial<DocumentFilter> = {}, subject = ada.subject): Promise<string[]> {
  const documents = await selectDocuments(db, subject, {
    groupId: null,
    ownerId: null,
    tag: null,
    sourceType: null,
    titlePart: null,
    beforeId: null,
    limit: 10,
    ...filter,
  });
  return documents.map((document) => document.title);
}

function mine(title: string, options: Parameters<typeof createDocument>[1] = {}) {
  return createDocument(db, { ownerId: ada.userId, title, ...options });
}

describe('the list of documents', () => {
  test('is newest first, goes on below an id, and holds each document once', async () => {
    const groupId = await createGroup(db);
    await addMember(db, groupId, ada.userId);
    const ids: string[] = [];
    for (const title of ['a', 'b', 'c', 'd']) {
      const { documentId } = await mine(title);
      // Seen in three ways.
      await shareDocument(db, documentId, { groupId });
      await shareDocument(db, documentId, { userId: ada.userId });
      ids.push(documentId);
    }
    const newestFirst = ids.toSorted().reverse();
    const titleOf = (id: string) => 'abcd'[ids.indexOf(id)];

    expect(await list({ limit: 2 })).toEqual(newestFirst.slice(0, 2).map(titleOf));
    expect(await list({ beforeId: newestFirst[1]! })).toEqual(newestFirst.slice(2).map(titleOf));
  });

  test('is filtered by owner, tag, type of source, part of the title, and group', async () => {
    const groupId = await createGroup(db);
    await addMember(db, groupId, ada.userId);
    const shared = await createDocument(db, { ownerId: eve.userId, title: 'of Eve' });
    await shareDocument(db, shared.documentId, { groupId });
    await mine('Tagged', { tags: ['x'] });
    await mine('From the Web', { sourceType: 'web' });

    expect(await list({ ownerId: eve.userId })).toEqual(['of Eve']);
    expect(await list({ tag: 'x' })).toEqual(['Tagged']);
    expect(await list({ sourceType: 'web' })).toEqual(['From the Web']);
    expect(await list({ titlePart: 'the w' })).toEqual(['From the Web']);
    expect(await list({ titlePart: '%' })).toEqual([]);
    expect(await list({ groupId })).toEqual(['of Eve']);
    expect(await list({ groupId }, eve.subject)).toEqual([]);
  });

  test('tells each what they may do', async () => {
    const { documentId } = await mine('a', { metadata: { n: 1 }, tags: ['x'] });
    await shareDocument(db, documentId, { userId: eve.userId }, { level: 2 });

    expect(await selectDocument(db, ada.subject, documentId)).toMatchObject({
      permissions: ['read', 'write', 'manage'],
      metadata: { n: 1 },
      tags: ['x'],
      ownerId: ada.userId,
    });
    expect((await selectDocument(db, eve.subject, documentId))?.permissions).toEqual(['read', 'write']);
    expect(await selectDocument(db, guestSubject(), documentId)).toBeNull();
  });
});

describe('the chunks of a document', () => {
  test('come in reading order, after an ordinal, for those who may see it', async () => {
    const { documentId, chunkIds } = await mine('a', { chunks: ['one', 'two', 'three'] });

    const rest = await selectChunks(db, ada.subject, documentId, { afterOrdinal: 0, limit: 5 });

    expect(rest.map(({ chunkId, text }) => [chunkId, text])).toEqual([
      [chunkIds[1], 'two'],
      [chunkIds[2], 'three'],
    ]);
    expect(await selectChunks(db, ada.subject, documentId, { afterOrdinal: -1, limit: 1 })).toHaveLength(1);
    expect(await selectChunks(db, eve.subject, documentId, { afterOrdinal: -1, limit: 5 })).toEqual([]);
  });
});

describe('the original file', () => {
  test('is that of the current version, for those who may see the document', async () => {
    const { documentId, versionId } = await mine('a');
    expect(await selectOriginalFile(db, ada.subject, documentId)).toBeNull();
    await db.batch([
      sql`UPDATE document_versions SET storage_key = 'k', media_type = 'text/plain', file_name = 'a.txt', bytes = 3
        WHERE version_id = ${versionId}`,
    ]);

    expect(await selectOriginalFile(db, ada.subject, documentId)).toEqual({
      storageKey: 'k',
      mediaType: 'text/plain',
      fileName: 'a.txt',
      bytes: 3,
    });
    expect(await selectOriginalFile(db, eve.subject, documentId)).toBeNull();
  });
});

describe('changing a document', () => {
  test('to an expiry in the past is refused, and nothing else of it is done', async () => {
    const { documentId } = await mine('a');
    await expect(
      changeDocument({ db, piiPolicy: 'off' }, ada.subject, documentId, {
        tags: ['late'],
        expiresAt: Date.now() - 60_000,
      }),
    ).rejects.toMatchObject({ code: 'expiry_in_the_past' });
    expect(await selectDocument(db, ada.subject, documentId)).toMatchObject({ tags: [], expiresAt: null });
  });

  test('changes what was said and nothing else', async () => {
    const expiresAt = Date.now() + HOUR_MS;
    const { documentId } = await mine('a', { tags: ['x'], metadata: { n: 1 }, expiresAt });

    const changed = await changeDocument({ db, piiPolicy: 'off' }, ada.subject, documentId, { tags: ['y'] });
    expect(changed).toMatchObject({ title: 'a', tags: ['y'], metadata: { n: 1 }, expiresAt });

    const again = await changeDocument({ db, piiPolicy: 'off' }, ada.subject, documentId, {
      title: 'b',
      metadata: {},
      expiresAt: null,
    });
    expect(again).toMatchObject({ title: 'b', tags: ['y'], metadata: {}, expiresAt: null });
  });

  test('of the title adds one job for the word index, of anything else none', async () => {
    const { documentId } = await mine('a');

    await changeDocument({ db, piiPolicy: 'off' }, ada.subject, documentId, { tags: ['y'] });
    await changeDocument({ db, piiPolicy: 'off' }, ada.subject, documentId, { title: 'b' });
    await changeDocument({ db, piiPolicy: 'off' }, ada.subject, documentId, { title: 'b' });

    expect(await db.query(sql`SELECT job_type, owner_id FROM jobs`)).toEqual([
      { job_type: 'reindex', owner_id: ada.userId },
    ]);
  });

  test.each([
    ['nobody', 0, 'not_found'],
    ['a reader', 1, 'forbidden'],
  ] as const)('is refused to %s', async (_, level, code) => {
    const { documentId } = await mine('a');
    if (level > 0) await shareDocument(db, documentId, { userId: eve.userId }, { level: 1 });

    await expect(
      changeDocument({ db, piiPolicy: 'off' }, eve.subject, documentId, { title: 'b' }),
    ).rejects.toMatchObject({ code });
    expect(await selectDocument(db, ada.subject, documentId)).toMatchObject({ title: 'a' });
    expect(await db.query(sql`SELECT 1 FROM jobs`)).toEqual([]);
  });

  test('is allowed to a writer', async () => {
    const { documentId } = await mine('a');
    await shareDocument(db, documentId, { userId: eve.userId }, { level: 2 });

    expect(await changeDocument({ db, piiPolicy: 'off' }, eve.subject, documentId, { title: 'b' })).toMatchObject({
      title: 'b',
    });
  });
});

describe('removing a document', () => {
  test.each([
    ['nobody', null, 'not_found'],
    ['who may manage it', 3, 'forbidden'],
  ] as const)('is refused to %s', async (_, level, code) => {
    const { documentId } = await mine('a');
    if (level !== null) await shareDocument(db, documentId, { userId: eve.userId }, { level });

    await expect(removeDocument({ db }, eve.subject, documentId)).rejects.toMatchObject({ code });
    expect(await list()).toEqual(['a']);
  });

  test('is refused to an API key of the owner that may not manage', async () => {
    const { documentId } = await mine('a');
    const key = subjectOf(ada.userId, { via: 'api_key', levelCap: 2 });

    await expect(removeDocument({ db }, key, documentId)).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('is allowed to its owner, and then it is not there', async () => {
    const { documentId } = await mine('a');

    await removeDocument({ db }, ada.subject, documentId);

    expect(await selectDocument(db, ada.subject, documentId)).toBeNull();
    await expect(removeDocument({ db }, ada.subject, documentId)).rejects.toMatchObject({ code: 'not_found' });
  });

  test('by the removal of its owner leaves the jobs that delete its files', async () => {
    const { versionId } = await mine('a');
    await db.batch([sql`UPDATE document_versions SET storage_key = 'k' WHERE version_id = ${versionId}`]);

    await db.batch([sql`DELETE FROM users WHERE user_id = ${ada.userId}`]);

    expect(await db.query(sql`SELECT job_type, payload, status, via FROM jobs`)).toEqual([
      { job_type: 'delete_files', payload: '{"storage_keys":["k"]}', status: 'pending', via: 'system' },
    ]);
    expect(await db.query(sql`SELECT count(*) AS n FROM chunk_words`)).toEqual([{ n: 0 }]);
  });
});
