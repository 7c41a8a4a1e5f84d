import { readFile, stat } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addMember, createDocument, createGroup, HOUR_MS, shareDocument } from '../../../test/factories.ts';
import { TEST_PASSWORD } from '../../../test/harness/accounts.ts';
import { createTestApp, type TestApp, type TestUser } from '../../../test/harness/app.ts';
import { createTestDatabase } from '../../../test/harness/database.ts';
import { wordIndexFaults } from '../../../test/harness/word-index.ts';
import { guestSubject } from '../../access/index.ts';
import { INVARIANTS } from '../../admin/invariants.ts';
import type { Statement } from '../../db/database.ts';
import { now, sql } from '../../db/sql.ts';
import type { JobContext } from '../../jobs/index.ts';
import { eraseAccountsHandler } from './erase-accounts-job.ts';
import { ERASURE_PLAN } from './plan.ts';

/** Begins with letters that no other word begins with, so that the word index, which leaves out common beginnings, holds it whole. */
const MARKER = 'zqxjkvmarker';

let api: TestApp;
let ada: TestUser;
let grace: TestUser;
beforeEach(async () => {
  api = await createTestApp();
  ada = await api.registerUser(`${MARKER}@example.com`);
  grace = await api.registerUser();
});
afterEach(() => api.close());

function erase(as: TestUser, payload: object | null = { password: TEST_PASSWORD }) {
  return api.inject({ method: 'DELETE', url: '/users/me', as, ...(payload && { payload }) });
}

async function eraseAda() {
  const answer = await erase(ada);
  expect(answer.statusCode).toBe(202);
  return answer.json();
}

/** `table.column` wherever one of the texts stands, in any row of any table but those of the word index. */
async function placesOf(...texts: string[]): Promise<string[]> {
  const found = new Set<string>();
  const tables = await api.db.query<{ name: string }>(
    sql`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'chunk_words%'`,
  );
  for (const { name } of tables) {
    for (const row of await api.db.query({ text: `SELECT * FROM "${name}"`, values: [] })) {
      for (const [column, value] of Object.entries(row)) {
        const text = value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : String(value);
        if (texts.some((part) => text.includes(part))) found.add(`${name}.${column}`);
      }
    }
  }
  return [...found].sort();
}

async function isInFile(text: string): Promise<boolean> {
  for (const path of [api.db.path!, `${api.db.path}-wal`]) {
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    if (bytes.includes(text)) return true;
  }
  return false;
}

async function brokenInvariants(): Promise<string[]> {
  const broken = [];
  for (const { name, sql: count } of INVARIANTS) if ((await api.db.query(count))[0]!.n !== 0) broken.push(name);
  return broken;
}

/** Something in every table that there can be something in by way of the API. */
async function liveBusily(): Promise<{ groupId: string; documentId: string }> {
  const own = {
    title: `${MARKER} title`,
    source: `https://example.org/${MARKER}`,
    tags: [MARKER],
    metadata: { a: MARKER },
  };
  const documentId = await api.ingestText(ada, { text: `A text of ${MARKER}.`, ...own });
  const headers = { 'idempotency-key': `${MARKER}-key` };
  const payload = { text: `Another of ${MARKER}.` };
  await api.inject({ method: 'POST', url: '/ingest/text', as: ada, headers, payload });
  await api.createKey(ada, ['read']);
  await api.inject({ method: 'POST', url: '/auth/api-keys', as: ada, payload: { name: MARKER, scopes: ['read'] } });
  const groupId = await createGroup(api.db);
  await addMember(api.db, groupId, ada.userId, { role: 'admin' });
  await addMember(api.db, groupId, grace.userId, { role: 'admin' });
  for (const [as, email] of [
    [ada, 'x@example.com'],
    [grace, ada.email],
  ] as const) {
    await api.inject({ method: 'POST', url: `/groups/${groupId}/invitations`, as, payload: { email, role: 'viewer' } });
  }
  await shareDocument(api.db, documentId, { groupId }, { level: 3 });
  const theirs = await api.ingestText(grace, { text: 'Of somebody else.' });
  await shareDocument(api.db, theirs, { userId: ada.userId });
  await api.inject({
    method: 'POST',
    url: `/documents/${theirs}/transfer`,
    as: grace,
    payload: { user_id: ada.userId },
  });
  await api.inject({
    method: 'PATCH',
    url: `/documents/${documentId}`,
    as: grace,
    payload: { title: `${MARKER} retitled` },
  });
  await api.inject({
    method: 'POST',
    url: '/auth/login',
    payload: { email: ada.email, password: 'a wrong pass phrase' },
  });
  await api.inject({ method: 'POST', url: '/search/keyword', as: ada, payload: { query: MARKER } });
  await api.runJobs();
  return { groupId, documentId };
}

test('every table has its place in the plan, and none is named that there is not', async () => {
  const { db, close } = await createTestDatabase();
  const tables = await db.query<{ name: string }>(sql`SELECT name FROM sqlite_master WHERE type = 'table'
    AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'chunk_words_%'`);
  const references = await db.query<{ name: string }>(sql`SELECT DISTINCT m.name FROM sqlite_master m
    JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'
      AND (c.name IN ('user_id', 'owner_id', 'caller', 'tenant', 'invited_by', 'actor_id', 'concerned_id')
        OR c.name GLOB '*_user_id' OR c.name GLOB 'email_*' OR c.name GLOB '*_sealed')
    UNION SELECT m.name FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
      WHERE m.type = 'table' AND f."table" = 'users'`);
  await close();
  const { impersonal, ...personal } = ERASURE_PLAN;
  const planned = [...Object.values(personal).flat(), ...impersonal];
  expect(planned.sort()).toEqual(tables.map(({ name }) => name).sort());
  expect(new Set(planned).size).toBe(planned.length);
  // The sealed half of a signing key is the system's own.
  expect(references.map(({ name }) => name).filter((name) => impersonal.includes(name as never))).toEqual([
    'signing_keys',
  ]);
});

describe('an erasure', () => {
  test('leaves no trace in any table, nor in the file and its log, nor in the storage', async () => {
    await liveBusily();
    const credentials = await api.db.query<{
      id: string;
    }>(sql`SELECT session_id AS id FROM sessions WHERE user_id = ${ada.userId}
      UNION SELECT key_id FROM api_keys WHERE user_id = ${ada.userId}`);
    const before = await placesOf(MARKER, ada.userId);
    expect(before).toEqual(
      expect.arrayContaining([
        'api_keys.name',
        'audit_log.actor_id',
        'chunks.text',
        'documents.metadata',
        'documents.source',
        'documents.tags',
        'documents.title',
        'idempotency_keys.caller',
        'job_lanes.tenant',
        'jobs.owner_id',
        'users.user_id',
      ]),
    );
    expect(await isInFile(MARKER)).toBe(true);
    const files = (await api.storedFiles()).length;

    await eraseAda();
    await api.runJobs();

    // What was done to a session or key stays on record under an id that leads nowhere any more.
    const left = await placesOf(MARKER, ada.userId, ...credentials.map(({ id }) => id));
    expect(left.filter((place) => place !== 'audit_log.target_id')).toEqual([]);
    expect(await placesOf(MARKER, ada.userId)).toEqual([]);
    expect((await api.storedFiles()).length).toBe(files - 2);
    expect([await brokenInvariants(), await wordIndexFaults(api.db)]).toEqual([[], []]);
    await checkpoint();
    expect(await isInFile(MARKER)).toBe(false);
  });

  test('takes words out of an index that is too large to tidy itself', async () => {
    for (let i = 0; i < 60; i++)
      await createDocument(api.db, { ownerId: grace.userId, chunks: ['Some words.', 'More words.'] });
    await createDocument(api.db, { ownerId: ada.userId, chunks: [`Words of ${MARKER}.`] });
    await eraseAda();
    await api.runJobs();
    await checkpoint();
    expect(await isInFile(MARKER)).toBe(false);
    expect(await wordIndexFaults(api.db)).toEqual([]);
    const found = await api.inject({ method: 'POST', url: '/search/keyword', as: grace, payload: { query: 'words' } });
    expect(found.json().results.length).toBeGreaterThan(0);
  });

  /** Copies what is in the log into the file, as the last process to close it does. */
  async function checkpoint() {
    const { DatabaseSync } = await import('node:sqlite');
    const other = new DatabaseSync(api.db.path!);
    other.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    other.close();
    expect((await stat(`${api.db.path}-wal`)).size).toBe(0);
  }

  test('is over for everybody with its answer, before any worker has looked at it', async () => {
    const { documentId, groupId } = await liveBusily();
    const key = await api.createKey(ada, ['read']);
    const answer = await eraseAda();

    for (const as of [ada, key]) expect((await api.inject({ url: '/auth/me', as })).statusCode).toBe(401);
    const login = { email: ada.email, password: TEST_PASSWORD };
    expect((await api.inject({ method: 'POST', url: '/auth/login', payload: login })).statusCode).toBe(401);
    expect((await api.inject({ url: `/documents/${documentId}`, as: grace })).statusCode).toBe(404);
    const found = await api.inject({ method: 'POST', url: '/search/keyword', as: grace, payload: { query: MARKER } });
    expect(found.json().results).toEqual([]);
    const members = (await api.inject({ url: `/groups/${groupId}/members`, as: grace })).json().items;
    expect(members.map(({ user_id }: { user_id: string }) => user_id)).toEqual([grace.userId]);
    await makeSuperAdmin(grace);
    const shown = (await api.inject({ url: '/users', as: grace })).json().items;
    expect(shown.map(({ user_id }: { user_id: string }) => user_id)).toEqual([grace.userId]);
    expect((await api.inject({ url: `/users/${ada.userId}`, as: grace })).statusCode).toBe(404);
    const payload = { status: 'active' };
    const revived = await api.inject({ method: 'PATCH', url: `/users/${ada.userId}`, as: grace, payload });
    expect(revived.statusCode).toBe(404);

    const headers = { 'job-token': answer.job_token };
    expect((await api.inject({ url: answer.status_url, headers })).json()).toMatchObject({ status: 'pending' });
    await api.runJobs();
    expect((await api.inject({ url: answer.status_url, headers })).json()).toMatchObject({
      status: 'completed',
      result: { erased: 1 },
    });
  });

  test('keeps what is public and what others own, and that something was done by somebody', async () => {
    const published = await api.ingestText(ada, { text: 'For everybody.' });
    const given = await api.ingestText(ada, { text: 'For Grace.' });
    await api.inject({ method: 'POST', url: `/documents/${published}/publish`, as: ada });
    await api.inject({
      method: 'POST',
      url: `/documents/${given}/transfer`,
      as: ada,
      payload: { user_id: grace.userId },
    });
    await api.inject({ method: 'POST', url: `/documents/${given}/transfer/accept`, as: grace });
    await eraseAda();
    await api.runJobs();

    for (const id of [published, given]) {
      expect((await api.inject({ url: `/documents/${id}/content`, as: grace })).statusCode).toBe(200);
    }
    const entries = await api.db.query<{ action: string; actor_id: string; credential_id: null; target_id: string }>(
      sql`SELECT action, actor_id, credential_id, target_id FROM audit_log WHERE action IN ('document.published', 'user.erased')`,
    );
    const actor_id = entries[0]!.actor_id;
    expect(actor_id).toMatch(/^erased-[0-9a-f-]{36}$/);
    expect(entries).toEqual([
      { action: 'document.published', actor_id, credential_id: null, target_id: published },
      { action: 'user.erased', actor_id, credential_id: null, target_id: actor_id },
    ]);
  });

  test('goes on where it was stopped, whichever transaction was its last', async () => {
    await liveBusily();
    const vectors = { modelId: 'm', dimensions: 8 };
    for (let i = 0; i < 45; i++) {
      await createDocument(api.db, { ownerId: ada.userId, chunks: [MARKER, 'b', 'c'], vectors });
    }
    await api.execute(sql`INSERT INTO embedding_cache (model_key, text_hash, document_id, scale, codes)
      SELECT 1, randomblob(32), document_id, 1, x'00' FROM documents WHERE owner_id = ${ada.userId}`);
    await eraseAda();
    const runUntil = (transactions: number) => {
      let done = 0;
      const write = async (statements: readonly Statement[]) => {
        if (done++ === transactions) throw new Error('stopped here');
        return api.db.batch(statements);
      };
      const context = { write, progress() {}, subject: guestSubject() } as unknown as JobContext;
      return eraseAccountsHandler({ db: api.db }).run({}, context);
    };
    let stops = 0;
    const stopped = async () => {
      const isStopped = await runUntil(stops).then(
        () => false,
        () => true,
      );
      expect(await brokenInvariants()).toEqual([]);
      return isStopped;
    };
    while (await stopped()) stops++;
    expect(stops).toBeGreaterThan(8);
    await api.runJobs();
    expect(await placesOf(MARKER, ada.userId)).toEqual([]);
    const left = await api.db.query(
      sql`SELECT (SELECT count(*) FROM chunk_vectors) AS v, (SELECT count(*) FROM embedding_cache) AS e`,
    );
    expect(left).toEqual([{ v: 0, e: 0 }]);
  });

  test('of an account whose documents are being read cancels that', async () => {
    const accepted = await api.inject({ method: 'POST', url: '/ingest/text', as: ada, payload: { text: MARKER } });
    await eraseAda();
    await api.runJob(accepted.json().job_id);
    await api.runJobs();
    expect(await placesOf(MARKER, ada.userId)).toEqual([]);
    expect(await api.storedFiles()).toEqual([]);
  });

  test('gives the address free, and nothing of before works for who takes it', async () => {
    const { groupId, documentId } = await liveBusily();
    const key = await api.createKey(ada, ['read', 'search', 'ingest']);
    const refreshed = { email: ada.email, password: TEST_PASSWORD };
    const { refresh_token } = (await api.inject({ method: 'POST', url: '/auth/login', payload: refreshed })).json();
    await eraseAda();
    const again = { email: ada.email, password: 'another good pass phrase' };
    const early = await api.inject({ method: 'POST', url: '/auth/register', payload: again });
    expect([early.statusCode, early.json().code]).toEqual([409, 'email_taken']);
    await api.runJobs();

    const registered = await api.inject({ method: 'POST', url: '/auth/register', payload: again });
    expect(registered.statusCode).toBe(201);
    expect(registered.json().user.user_id).toBe(ada.userId);
    const heir = { ...ada, authorization: `Bearer ${registered.json().access_token}` };
    for (const as of [ada, key]) expect((await api.inject({ url: '/auth/me', as })).statusCode).toBe(401);
    const refresh = { method: 'POST', url: '/auth/refresh', payload: { refresh_token } } as const;
    expect((await api.inject(refresh)).statusCode).toBe(401);
    for (const url of [`/documents/${documentId}`, `/groups/${groupId}`]) {
      expect((await api.inject({ url, as: heir })).statusCode).toBe(404);
    }
    for (const url of ['/documents', '/jobs', '/groups', '/auth/api-keys', '/transfers']) {
      expect((await api.inject({ url, as: heir })).json().items, url).toEqual([]);
    }
    const headers = { 'idempotency-key': `${MARKER}-key` };
    const other = await api.inject({
      method: 'POST',
      url: '/ingest/text',
      as: heir,
      headers,
      payload: { text: 'New.' },
    });
    expect(other.statusCode).toBe(202);
  });
});

async function makeSuperAdmin(user: TestUser) {
  await api.execute(
    sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${user.userId}, 'super_admin', ${now})`,
  );
}

describe('is refused', () => {
  test('with a wrong password', async () => {
    const answer = await erase(ada, { password: 'a wrong pass phrase' });
    expect([answer.statusCode, answer.json().code]).toEqual([403, 'wrong_password']);
    expect((await api.inject({ url: '/auth/me', as: ada })).statusCode).toBe(200);
  });

  test('to an API key, whatever it may do', async () => {
    const key = await api.createKey(ada, ['read', 'search', 'ingest', 'manage']);
    expect((await erase(key)).json().code).toBe('forbidden');
  });

  test('to the last admin of a group, who is told which, until there is another', async () => {
    const groupId = await createGroup(api.db);
    await addMember(api.db, groupId, ada.userId, { role: 'admin' });
    const answer = await erase(ada);
    expect([answer.statusCode, answer.json().code]).toEqual([409, 'last_admin']);
    expect(answer.json().detail).toContain(groupId);
    expect((await api.inject({ url: '/auth/me', as: ada })).statusCode).toBe(200);
    await addMember(api.db, groupId, grace.userId, { role: 'admin' });
    await eraseAda();
  });

  test('to the last super_admin, until there is another', async () => {
    await makeSuperAdmin(ada);
    expect((await erase(ada)).json().code).toBe('last_super_admin');
    await makeSuperAdmin(grace);
    await eraseAda();
  });

  test.each([
    ['an empty body', {}],
    ['nothing', null],
  ])('with %s instead of the password, unless the session is fresh', async (_what, payload) => {
    await api.execute(sql`UPDATE sessions SET created_at = created_at - ${HOUR_MS} WHERE user_id = ${ada.userId}`);
    expect((await erase(ada, payload)).json().code).toBe('sign_in_again');
    expect((await api.inject({ url: '/auth/me', as: ada })).statusCode).toBe(200);
    await api.execute(sql`UPDATE sessions SET created_at = ${now} WHERE user_id = ${ada.userId}`);
    expect((await erase(ada, payload)).statusCode).toBe(202);
  });
});
