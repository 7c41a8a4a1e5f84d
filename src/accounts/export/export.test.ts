import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fromBufferPromise } from 'yauzl';
import { addMember, createDocument, createGroup, shareDocument } from '../../../test/factories.ts';
import { createTestApp, type TestApp, type TestUser } from '../../../test/harness/app.ts';
import { sql } from '../../db/sql.ts';
import { zipEntries } from './zip-entries.ts';

let api: TestApp;
let ada: TestUser;
let grace: TestUser;
beforeEach(async () => {
  api = await createTestApp();
  ada = await api.registerUser('ada@example.com');
  grace = await api.registerUser('grace@example.com');
});
afterEach(() => api.close());

async function unzip(archive: Buffer): Promise<Record<string, string>> {
  const zip = await fromBufferPromise(archive, { lazyEntries: true });
  const files: Record<string, string> = {};
  for await (const entry of zip.eachEntry()) {
    files[entry.fileName] = (await buffer(await zip.openReadStreamPromise(entry))).toString();
  }
  return files;
}

async function exported(as: TestUser) {
  const answer = await api.inject({ url: '/users/me/export', as });
  expect(answer.statusCode).toBe(200);
  return unzip(answer.rawPayload);
}

// biome-ignore lint/suspicious/noExplicitAny: lines of JSON that each test says what it expects of.
function rows(text: string | undefined): any[] {
  return (text ?? '')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

test('a copy holds who one is, what one has, and what one did', async () => {
  const fields = { title: 'A title', tags: ['a'], metadata: { b: 1 } };
  const documentId = await api.ingestText(ada, { text: 'My own words.', ...fields });
  await api.createKey(ada, ['read']);
  const groupId = await createGroup(api.db, 'Otters');
  await addMember(api.db, groupId, ada.userId, { role: 'admin' });
  const shareId = await shareDocument(api.db, documentId, { groupId }, { level: 2 });
  const invitation = { email: 'new@example.com', role: 'viewer' };
  await api.inject({ method: 'POST', url: `/groups/${groupId}/invitations`, as: ada, payload: invitation });
  const transfer = { user_id: grace.userId };
  await api.inject({ method: 'POST', url: `/documents/${documentId}/transfer`, as: ada, payload: transfer });

  const files = await exported(ada);
  expect(JSON.parse(files['profile.json']!)).toMatchObject({
    user_id: ada.userId,
    email: 'ada@example.com',
    system_roles: [],
    has_password: true,
    identities_elsewhere: 0,
  });
  expect(JSON.parse(files['usage.json']!)).toMatchObject({ documents: { used: 1 } });
  expect(rows(files['groups.ndjson'])).toMatchObject([{ group_id: groupId, name: 'Otters', role: 'admin' }]);
  expect(rows(files['sessions.ndjson'])).toHaveLength(1);
  expect(rows(files['api-keys.ndjson'])).toMatchObject([{ name: 'test', scopes: ['read'] }]);
  expect(rows(files['invitations.ndjson'])).toMatchObject([{ direction: 'sent', email: 'new@example.com' }]);
  expect(rows(files['transfers.ndjson'])).toMatchObject([{ document_id: documentId, to_user_id: grace.userId }]);
  expect(rows(files['jobs.ndjson'])).toMatchObject([{ job_type: 'ingest', status: 'completed' }]);
  expect(rows(files['documents.ndjson'])).toMatchObject([
    {
      document_id: documentId,
      ...fields,
      shares: [{ share_id: shareId, grantee_type: 'group', grantee_id: groupId, permission: 'write' }],
    },
  ]);
  expect(rows(files['audit.ndjson']).map(({ action, by }) => `${action} by ${by}`)).toEqual(
    expect.arrayContaining(['user.exported by you', 'invitation.created by you', 'api_key.created by you']),
  );
  expect(files[`documents/${documentId}/text.txt`]).toBe('My own words.');
  expect(files[`documents/${documentId}/original.txt`] ?? files[`documents/${documentId}/original`]).toBe(
    'My own words.',
  );
});

test('has no secret, and nothing of others but what is shared with the caller, without its content', async () => {
  const theirs = await api.ingestText(grace, { text: 'Words of Grace.' });
  await api.ingestText(grace, { text: 'Secrets of Grace.' });
  await shareDocument(api.db, theirs, { userId: ada.userId });
  const key = await api.createKey(ada, ['read']);
  const files = await exported(ada);
  expect(rows(files['shared-with-you.ndjson'])).toMatchObject([{ resource_id: theirs, permission: 'read' }]);
  const everything = JSON.stringify(files);
  expect(everything).not.toMatch(/of Grace/);
  for (const secret of [grace.userId, grace.email, key.token, ada.token, 'argon2'])
    expect(everything).not.toContain(secret);
});

test('of more than a page has each document once', async () => {
  for (let i = 0; i < 205; i++) await createDocument(api.db, { ownerId: ada.userId, chunks: [`text ${i}`] });
  const files = await exported(ada);
  expect(new Set(rows(files['documents.ndjson']).map(({ document_id }) => document_id)).size).toBe(205);
  expect(Object.keys(files).filter((path) => path.endsWith('/text.txt'))).toHaveLength(205);
});

test('breaks off when the session ends, so that it cannot be taken for the whole', async () => {
  for (let i = 0; i < 120; i++) await createDocument(api.db, { ownerId: ada.userId, chunks: [`text ${i}`] });
  const url = await api.listen();
  const answer = await fetch(`${url}/users/me/export`, { headers: { authorization: ada.authorization } });
  await api.execute(sql`UPDATE sessions SET revoked_at = 1 WHERE user_id = ${ada.userId}`);
  await expect(answer.arrayBuffer()).rejects.toThrow();
});

describe('an archive', () => {
  async function* entriesOf(...contents: Iterable<string>[]) {
    for (const [index, content] of contents.entries()) yield { path: `${index}.txt`, content: Readable.from(content) };
  }

  test('is read entry by entry, no faster than somebody takes it', async () => {
    let made = 0;
    function* endless() {
      for (; made < 100_000; made++) yield `${Math.random()} `.repeat(50);
    }
    const archive = zipEntries(entriesOf(endless()));
    await new Promise((resolve) => archive.once('readable', resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(made).toBeLessThan(10_000);
    archive.destroy();
  });

  test('whose reader goes lets go of what it reads', async () => {
    let isReleased = false;
    async function* content() {
      try {
        for (;;) yield 'x'.repeat(100_000 * Math.random());
      } finally {
        isReleased = true;
      }
    }
    async function* entries() {
      yield { path: 'a', content: content(), compress: false };
    }
    const archive = zipEntries(entries());
    await new Promise((resolve) => archive.once('readable', resolve));
    archive.destroy();
    await expect.poll(() => isReleased).toBe(true);
  });

  test('fails with what its entry fails with', async () => {
    async function* content() {
      yield 'a';
      throw new Error('the disk is gone');
    }
    async function* entries() {
      yield { path: 'a', content: content() };
    }
    await expect(buffer(zipEntries(entries()))).rejects.toThrow('the disk is gone');
  });
});
