import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addMember, createDocument, createGroup, createUser, shareDocument } from '../../../../test/factories.ts';
import { createTestApp, type TestApp, type TestUser } from '../../../../test/harness/app.ts';
import { newId } from '../../../base/ids.ts';
import { now, sql } from '../../../db/sql.ts';

let api: TestApp;
let ada: TestUser;
let users: Record<'super_admin' | 'operator' | 'auditor' | 'nobody', TestUser>;

beforeAll(async () => {
  api = await createTestApp();
  ada = await api.registerUser();
  users = {
    super_admin: await api.registerWithRole('super_admin'),
    operator: await api.registerWithRole('operator'),
    auditor: await api.registerWithRole('auditor'),
    nobody: ada,
  };
});
afterAll(() => api.close());

const sweep = (as: TestUser | undefined) => api.inject({ method: 'DELETE', url: '/admin/content/expired', as });
const NOTHING = {
  documents: 0,
  chunks: 0,
  shares: 0,
  memberships: 0,
  invitations: 0,
  transfers: 0,
  sessions: 0,
  refresh_tokens: 0,
};

test.each([
  ['super_admin', 200, 200, 200],
  ['operator', 403, 200, 200],
  ['auditor', 200, 403, 403],
  ['nobody', 403, 403, 403],
] as const)('%s: the audit log is a %i, the figures a %i, sweeping a %i', async (role, audit, stats, sweeping) => {
  const as = users[role];
  expect((await api.inject({ url: '/admin/audit', as })).statusCode).toBe(audit);
  expect((await api.inject({ url: '/admin/stats', as })).statusCode).toBe(stats);
  expect((await sweep(as)).statusCode).toBe(sweeping);
});

test('guests have to sign in', async () => {
  for (const url of ['/admin/audit', '/admin/stats']) expect((await api.inject({ url })).statusCode).toBe(401);
  expect((await sweep(undefined)).statusCode).toBe(401);
});

test('a key sweeps with the scope for it, as long as its user is an operator, and does nothing else', async () => {
  const key = await api.createKey(users.operator, ['content:expire']);
  const other = await api.createKey(users.operator, ['read', 'manage']);
  expect((await sweep(key)).statusCode).toBe(200);
  expect((await sweep(other)).statusCode).toBe(403);
  for (const url of ['/admin/audit', '/admin/stats']) expect((await api.inject({ url, as: key })).statusCode).toBe(403);
  await api.execute(sql`DELETE FROM user_roles WHERE user_id = ${users.operator.userId}`);
  expect((await sweep(key)).statusCode).toBe(403);
  await api.execute(
    sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${users.operator.userId}, 'operator', 0)`,
  );
});

describe('the sweep', () => {
  async function expire(): Promise<{ documentId: string; groupId: string; userId: string }> {
    const group = await createGroup(api.db);
    await addMember(api.db, group, ada.userId, { role: 'admin' });
    const { userId } = await createUser(api.db);
    await addMember(api.db, group, userId, { role: 'admin', expiresAt: 1 });
    const documentId = await api.ingestText(ada, { text: 'Gone tomorrow.' });
    const stays = await createDocument(api.db, { ownerId: ada.userId, source: newId() });
    await shareDocument(api.db, stays.documentId, { userId }, { expiresAt: 1 });
    await api.execute(
      sql`UPDATE documents SET expires_at = ${now} - 1 WHERE document_id = ${documentId}`,
      sql`INSERT INTO document_transfers (document_id, from_user_id, to_user_id, created_at, expires_at)
        VALUES (${stays.documentId}, ${ada.userId}, ${userId}, 0, 1)`,
      sql`INSERT INTO invitations (invitation_id, group_id, email_hmac, email_sealed, role, invited_by, token_hash,
          created_at, expires_at)
        VALUES (${newId()}, ${group}, ${userId}, x'00', 'viewer', ${ada.userId}, ${userId}, 0, 1)`,
      sql`INSERT INTO sessions (session_id, user_id, created_at, expires_at) VALUES (${newId()}, ${userId}, 0, 1)`,
    );
    return { documentId, groupId: group, userId };
  }

  test('deletes what has expired, once, and leaves the rest', async () => {
    const { documentId, groupId, userId } = await expire();
    const [{ n: documents }] = (await api.db.query<{ n: number }>(sql`SELECT count(*) AS n FROM documents`)) as [
      { n: number },
    ];
    const first = (await sweep(users.operator)).json();
    expect(first).toEqual({
      deleted: {
        ...NOTHING,
        documents: 1,
        chunks: 1,
        shares: 1,
        memberships: 1,
        invitations: 1,
        transfers: 1,
        sessions: 1,
      },
      more: false,
    });
    expect(await api.db.query(sql`SELECT 1 FROM documents WHERE document_id = ${documentId}`)).toEqual([]);
    expect(await api.db.query(sql`SELECT count(*) AS n FROM documents`)).toEqual([{ n: documents - 1 }]);
    expect(await api.db.query(sql`SELECT user_id FROM group_memberships WHERE group_id = ${groupId}`)).toEqual([
      { user_id: ada.userId },
    ]);
    expect(await api.db.query(sql`SELECT 1 FROM users WHERE user_id = ${userId}`)).toHaveLength(1);
    expect((await sweep(users.operator)).json()).toEqual({ deleted: NOTHING, more: false });
    const { items } = (await api.inject({ url: '/admin/audit?action=content.expired', as: users.auditor })).json();
    expect(items.map(({ target_id }: { target_id: string }) => target_id)).toEqual([
      'memberships',
      'shares',
      'documents',
    ]);
    expect(items[0]).toMatchObject({ actor_id: users.operator.userId, via: 'session' });
  });

  test('deletes the stored original by the job that deletion leaves', async () => {
    await api.runJobs();
    const before = (await api.storedFiles()).length;
    const id = await api.ingestText(ada, { text: 'With a file.' });
    expect(await api.storedFiles()).toHaveLength(before + 1);
    await api.execute(sql`UPDATE documents SET expires_at = 1 WHERE document_id = ${id}`);
    await sweep(users.operator);
    await api.runJobs();
    expect(await api.storedFiles()).toHaveLength(before);
  });

  test('does a bounded part of much, and says that there is more', async () => {
    await api.execute(sql`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
      INSERT INTO documents (document_id, owner_id, source_type, source, title, expires_at, created_at, updated_at)
      SELECT 'x' || i, ${ada.userId}, 'text', 'x' || i, 'x', i, 0, 0 FROM n`);
    expect((await sweep(users.operator)).json()).toMatchObject({ deleted: { documents: 1_000 }, more: true });
    expect((await sweep(users.operator)).json()).toMatchObject({ deleted: { documents: 100 }, more: false });
  });

  test('ends the jobs of what it deletes', async () => {
    const accepted = (
      await api.inject({ method: 'POST', url: '/ingest/text', as: ada, payload: { text: 'Never read.' } })
    ).json();
    await api.execute(sql`UPDATE documents SET expires_at = 1 WHERE document_id = ${accepted.document_id}`);
    await sweep(users.operator);
    expect((await api.inject({ url: `/jobs/${accepted.job_id}`, as: ada })).json().status).toBe('cancelled');
  });

  test('is what workers do by themselves, too', async () => {
    await expire();
    const jobId = newId();
    await api.execute(sql`INSERT INTO jobs (job_id, job_type, payload, run_at, created_at, updated_at)
      VALUES (${jobId}, 'expire_content', '{}', 0, 0, 0)`);
    await api.runJob(jobId);
    const job = (await api.inject({ url: `/jobs/${jobId}`, as: users.operator })).json();
    expect(job).toMatchObject({ status: 'completed', result: { documents: 1, shares: 1, memberships: 1 } });
    const { items } = (await api.inject({ url: '/admin/audit?limit=1', as: users.auditor })).json();
    expect(items).toMatchObject([{ action: 'content.expired', via: 'system', actor_id: null }]);
  });
});

describe('the audit log', () => {
  const read = async (query: string) => (await api.inject({ url: `/admin/audit?${query}`, as: users.auditor })).json();

  test('is filtered by who, what, whom and when, newest first', async () => {
    const group = (await api.inject({ method: 'POST', url: '/groups', as: ada, payload: { name: 'Herons' } })).json();
    const { userId } = await createUser(api.db);
    const url = `/groups/${group.group_id}/members`;
    await api.inject({ method: 'POST', url, as: ada, payload: { user_id: userId, role: 'viewer' } });

    const about = await read(`target_type=group&target_id=${group.group_id}`);
    expect(about.items.map(({ action }: { action: string }) => action)).toEqual(['member.added', 'group.created']);
    expect(about.items[0]).toMatchObject({
      actor_id: ada.userId,
      via: 'session',
      concerned_id: userId,
      detail: { role: 'viewer', expires_at: null },
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect((await read(`user_id=${userId}`)).items).toEqual([about.items[0]]);
    expect((await read(`actor_id=${userId}`)).items).toEqual([]);
    expect((await read(`actor_id=${ada.userId}&action=group.created`)).items).toContainEqual(about.items[1]);
    expect((await read(`target_id=${group.group_id}&since=2999-01-01T00:00:00Z`)).items).toEqual([]);
    expect((await read(`target_id=${group.group_id}&until=2999-01-01T00:00:00Z`)).items).toHaveLength(2);
  });

  test('tells who was refused what only those who run the system may do, once an hour for each route', async () => {
    const eve = await api.registerUser();
    const key = await api.createKey(users.operator, ['read']);
    const latestDenials = async () => {
      const { items } = await read('action=access.denied&limit=3');
      return items.map((entry: Record<string, unknown>) => [entry.actor_id, entry.via, entry.target_id]);
    };
    await api.inject({ url: '/users', as: eve });
    await api.inject({ url: '/users', as: eve });
    await api.inject({ url: '/users' });
    await api.inject({ url: '/groups/unknown', as: eve });
    const url = `/users/${eve.userId}/roles/super_admin`;
    await api.inject({ method: 'PUT', url, as: users.auditor });
    await api.inject({ url: '/queues', as: key });
    expect(await latestDenials()).toEqual([
      [users.operator.userId, 'api_key', 'GET /queues'],
      [users.auditor.userId, 'session', 'PUT /users/:user_id/roles/:role'],
      [eve.userId, 'session', 'GET /users'],
    ]);
  });

  test('is read page by page', async () => {
    const whole = await read('limit=100');
    const first = await read('limit=3');
    const second = await read(`limit=3&cursor=${first.next_cursor}`);
    expect([...first.items, ...second.items]).toEqual(whole.items.slice(0, 6));
  });
});

test('the figures are there, and counting stops at a limit', async () => {
  const stats = (await api.inject({ url: '/admin/stats', as: users.operator })).json();
  expect(stats.index.users).toBeGreaterThan(3);
  expect(stats.storage.database_bytes).toBeGreaterThan(0);
  await api.execute(sql`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10100)
    INSERT INTO groups (group_id, name, created_at, updated_at) SELECT 'many' || i, 'x', 0, 0 FROM n`);
  expect((await api.inject({ url: '/admin/stats', as: users.operator })).json().index.groups).toBe(10_000);
});
