import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { createEmbeddingModel } from '../../src/providers/index.ts';
import { addMember, createGroup, shareDocument } from '../factories.ts';
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai-server.ts';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';

let provider: FakeOpenAi;
let api: TestApp;
let ada: TestUser;
let groupId: string;
let key: TestUser;
/** Ada's own, one shared with the group, and a public one. */
let ids: Record<'own' | 'group' | 'open', string>;

beforeAll(async () => {
  provider = await startFakeOpenAi();
  const remote = { provider: 'openai', url: provider.url, model: 'fake', apiKey: null, timeoutMs: 60_000 } as const;
  const embeddingModel = createEmbeddingModel(
    { ...remote, dimensions: 64, weight: null, maxChars: null, threads: null },
    { maxAttempts: 1 },
  )!;
  api = await createTestApp({ embeddingModel });
});
afterAll(async () => {
  await api.close();
  await provider.close();
});
beforeEach(async () => {
  ada = await api.registerUser();
  groupId = await createGroup(api.db);
  const boss = await api.registerUser();
  await addMember(api.db, groupId, boss.userId, { role: 'admin' });
  await addMember(api.db, groupId, ada.userId, { role: 'editor' });
  ids = {
    own: await api.ingestText(ada, { text: 'Otters of her own.' }),
    group: await api.ingestText(ada, { text: 'Otters of the group.' }),
    open: await api.ingestText(ada, { text: 'Otters for everybody.' }),
  };
  await shareDocument(api.db, ids.group, { groupId }, { level: 2 });
  await api.execute(sql`UPDATE documents SET owner_id = NULL WHERE document_id = ${ids.open}`);
  key = await makeKey({ group_id: groupId });
});

async function makeKey(limits: Record<string, unknown>): Promise<TestUser> {
  const payload = { name: 'narrow', ...limits };
  const { secret } = (await api.inject({ method: 'POST', url: '/auth/api-keys', as: ada, payload })).json();
  return { ...ada, token: secret, authorization: `Bearer ${secret}` };
}

const get = (as: TestUser, url: string) => api.inject({ method: 'GET', url, as });
const post = (as: TestUser, url: string, payload?: object) => api.inject({ method: 'POST', url, as, payload });
const addText = (as: TestUser, fields: object = {}) => post(as, '/ingest/text', { text: 'New otters.', ...fields });

describe('an API key of one group', () => {
  test('says so, and to which level it goes', async () => {
    const { items } = (await get(ada, '/auth/api-keys')).json();
    expect(items[0]).toMatchObject({ group_id: groupId, level_cap: null });
  });

  test('lists, searches and answers from what is shared with the group, and nothing else', async () => {
    const listed = (await get(key, '/documents')).json().items;
    expect(listed.map((item: { document_id: string }) => item.document_id)).toEqual([ids.group]);
    for (const route of ['keyword', 'vector', 'hybrid', 'knowledge']) {
      const { results } = (await post(key, `/search/${route}`, { query: 'otters' })).json();
      expect(results.map((result: { document_id: string }) => result.document_id)).toEqual([ids.group]);
    }
    expect((await get(key, `/documents/${ids.own}`)).statusCode).toBe(404);
    expect((await get(key, `/documents/${ids.open}`)).statusCode).toBe(404);
    expect((await get(ada, '/documents?owner=me')).json().items).toHaveLength(2);
  });

  test('holds what its user may do through the group, not what the owner of the document may', async () => {
    const { permissions } = (await get(key, `/documents/${ids.group}`)).json();
    expect(permissions).toEqual(['read', 'write']);
    expect((await api.inject({ method: 'DELETE', url: `/documents/${ids.group}`, as: key })).statusCode).toBe(403);
  });

  test('adds content to the group', async () => {
    const { document_id, job_id } = (await addText(key)).json();
    await api.runJob(job_id);
    expect((await get(key, `/jobs/${job_id}`)).json()).toMatchObject({ status: 'completed' });
    expect((await get(key, `/documents/${document_id}`)).json()).toMatchObject({ owner_id: ada.userId });
    const shares = await api.db.query(sql`SELECT grantee_group_id, level FROM resource_shares
      WHERE resource_id = ${document_id}`);
    expect(shares).toEqual([{ grantee_group_id: groupId, level: 2 }]);
  });

  test('adds nothing to another group, and nothing to what its user has beside the group', async () => {
    const other = await createGroup(api.db);
    await addMember(api.db, other, ada.userId, { role: 'admin' });
    expect((await addText(key, { group_id: other })).statusCode).toBe(404);
    await api.execute(sql`UPDATE documents SET source = 'diary' WHERE document_id = ${ids.own}`);
    expect((await addText(key, { source: 'diary' })).statusCode).toBe(403);
  });

  test('does not tell in which other groups its user is', async () => {
    await addMember(api.db, await createGroup(api.db, 'others'), ada.userId, { role: 'admin' });
    const groupsOf = async (as: TestUser) =>
      (await get(as, '/auth/me')).json().groups.map((group: { group_id: string }) => group.group_id);
    expect(await groupsOf(ada)).toHaveLength(2);
    expect(await groupsOf(key)).toEqual([groupId]);
    const listed = (await get(key, '/groups')).json().items;
    expect(listed.map((group: { group_id: string }) => group.group_id)).toEqual([groupId]);
  });

  test('sees the jobs of the group’s keys, and no others of its user', async () => {
    const mine = (await addText(ada)).json().job_id;
    const its = (await addText(key)).json().job_id;
    expect((await get(key, `/jobs/${mine}`)).statusCode).toBe(404);
    expect((await post(key, `/jobs/${mine}/cancel`)).statusCode).toBe(404);
    const listed = (await get(key, '/jobs')).json().items;
    expect(listed.map((item: { job_id: string }) => item.job_id)).toEqual([its]);
    expect((await get(ada, `/jobs/${its}`)).statusCode).toBe(200);
  });

  test('gets no answer that another credential of its user was given', async () => {
    const headers = { 'idempotency-key': 'once-and-for-all' };
    const text = { text: 'Otters.' };
    await api.inject({ method: 'POST', url: '/ingest/text', as: ada, headers, payload: text });
    const again = await api.inject({ method: 'POST', url: '/ingest/text', as: key, headers, payload: text });
    expect(again.statusCode).toBe(409);
  });

  test('sees nothing once its user has left the group', async () => {
    await api.execute(sql`DELETE FROM group_memberships WHERE user_id = ${ada.userId}`);
    expect((await get(key, '/documents')).json().items).toEqual([]);
    expect((await addText(key)).statusCode).toBe(404);
  });

  test.each([
    ['may only look in the group any more', sql`UPDATE group_memberships SET role = 'viewer' WHERE role = 'editor'`],
    ['has left the group', sql`DELETE FROM group_memberships WHERE role = 'editor'`],
    [
      'is disabled',
      sql`UPDATE users SET status = 'disabled' WHERE user_id IN
      (SELECT user_id FROM group_memberships WHERE role = 'editor')`,
    ],
  ])('has no job done whose user %s: nothing is stored or sent', async (_, revoke) => {
    const { job_id, document_id } = (await addText(key)).json();
    const calls = provider.requests.length;
    await api.execute(revoke);
    await api.runJob(job_id);
    expect(await api.db.query(sql`SELECT status, error ->> 'code' AS code FROM jobs WHERE job_id = ${job_id}`)).toEqual(
      [{ status: 'failed', code: 'rights_revoked' }],
    );
    expect(provider.requests).toHaveLength(calls);
    const chunks = await api.db.query(sql`SELECT 1 AS found FROM chunks c
      JOIN document_versions n ON n.version_id = c.version_id WHERE n.document_id = ${document_id}`);
    expect(chunks).toEqual([]);
  });
});

describe('an API key with a cap', () => {
  test.each([
    ['read', ['read'], 403],
    ['write', ['read', 'write'], 202],
    ['manage', ['read', 'write', 'manage'], 202],
  ])('on %s goes no further with its user’s own documents', async (level_cap, permissions, added) => {
    const capped = await makeKey({ level_cap });
    expect((await get(capped, `/documents/${ids.own}`)).json().permissions).toEqual(permissions);
    expect((await addText(capped)).statusCode).toBe(added);
    expect((await api.inject({ method: 'DELETE', url: `/documents/${ids.own}`, as: capped })).statusCode).toBe(403);
  });

  test('makes no keys', async () => {
    const full = await makeKey({ level_cap: 'manage' });
    expect((await post(full, '/auth/api-keys', { name: 'more' })).statusCode).toBe(403);
  });
});

describe('the result of a job', () => {
  test('is not shown any more when its document is not to be seen', async () => {
    const { job_id, document_id } = (await addText(ada)).json();
    await api.runJob(job_id);
    const shown = async () => {
      const one = (await get(ada, `/jobs/${job_id}`)).json();
      const [first] = (await get(ada, '/jobs')).json().items;
      const events = (await get(ada, `/jobs/${job_id}/events`)).body;
      return [one.result, first.result, JSON.parse(/data: (.*)/.exec(events)![1]!).result];
    };
    expect(await shown()).toEqual(Array(3).fill(expect.objectContaining({ document_id })));
    await api.execute(sql`UPDATE documents SET owner_id = (SELECT user_id FROM group_memberships
      WHERE role = 'admin' AND group_id = ${groupId}) WHERE document_id = ${document_id}`);
    expect(await shown()).toEqual([null, null, null]);
  });

  test('stays with the job of somebody else for those who administer the system', async () => {
    const { job_id } = (await addText(ada)).json();
    await api.runJob(job_id);
    const admin = await api.registerUser();
    await api.execute(
      sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${admin.userId}, 'super_admin', 0)`,
    );
    expect((await get(admin, `/jobs/${job_id}`)).json()).toMatchObject({ status: 'completed', result: null });
  });
});
