import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestApp, type TestApp, type TestUser } from '../../../../test/harness/app.ts';
import { now, sql } from '../../../db/sql.ts';

let api: TestApp;
let root: TestUser;
let ada: TestUser;

beforeAll(async () => {
  api = await createTestApp();
  root = await api.registerUser('root@example.com');
  ada = await api.registerUser('ada@example.com');
  await api.execute(
    sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${root.userId}, 'super_admin', ${now})`,
  );
});
afterAll(() => api.close());

function send(method: 'GET' | 'PATCH' | 'PUT' | 'DELETE', url: string, as: TestUser | undefined, payload?: object) {
  return api.inject({ method, url, as, ...(payload && { payload }) });
}

async function codeOf(response: Promise<{ json(): { code?: string }; statusCode: number }>) {
  const { statusCode, json } = await response;
  return statusCode < 400 ? statusCode : json().code;
}

const role = (method: 'PUT' | 'DELETE', user: TestUser, name: string, as = root) =>
  codeOf(send(method, `/users/${user.userId}/roles/${name}`, as));

describe('accounts', () => {
  test('are listed for a super_admin, newest first, by status, role and address', async () => {
    const { items } = (await send('GET', '/users', root)).json();
    expect(items.map(({ email }: { email: string }) => email)).toEqual(['ada@example.com', 'root@example.com']);
    expect(items[1]).toMatchObject({ user_id: root.userId, status: 'active', system_roles: ['super_admin'] });
    const ids = async (query: string) =>
      (await send('GET', `/users?${query}`, root)).json().items.map(({ user_id }: { user_id: string }) => user_id);
    expect(await ids('role=super_admin')).toEqual([root.userId]);
    expect(await ids('status=disabled')).toEqual([]);
    expect(await ids('email=ADA%40example.com')).toEqual([ada.userId]);
    expect(await ids('email=nobody')).toEqual([]);
    const first = (await send('GET', '/users?limit=1', root)).json();
    const second = (await send('GET', `/users?limit=1&cursor=${first.next_cursor}`, root)).json();
    expect([first.items[0].user_id, second.items[0].user_id]).toEqual([ada.userId, root.userId]);
    expect(await codeOf(send('GET', `/users/${'f'.repeat(64)}`, root))).toBe('not_found');
  });

  test('are renamed, disabled and enabled, and each is written down', async () => {
    const user = await api.registerUser();
    const url = `/users/${user.userId}`;
    expect((await send('PATCH', url, root, { name: 'Grace' })).json()).toMatchObject({ name: 'Grace' });
    expect((await send('PATCH', url, root, { status: 'disabled' })).json()).toMatchObject({ status: 'disabled' });
    expect(await codeOf(send('GET', '/auth/me', user))).toBe('invalid_credentials');
    expect((await send('PATCH', url, root, { status: 'active' })).json()).toMatchObject({ status: 'active' });
    // It takes a new sign-in: what was open when the account was disabled stays shut.
    expect(await codeOf(send('GET', '/auth/me', user))).toBe('invalid_credentials');
    await send('PATCH', url, root, { status: 'active' });
    const actions = await api.db.query(sql`SELECT action FROM audit_log
      WHERE target_id = ${user.userId} AND actor_id = ${root.userId} ORDER BY seq`);
    expect(actions.map(({ action }) => action)).toEqual(['user.renamed', 'user.disabled', 'user.enabled']);
  });

  test('that a group cannot spare are not disabled, and the answer names the group', async () => {
    const user = await api.registerUser();
    const payload = { name: 'Herons' };
    const group = (await api.inject({ method: 'POST', url: '/groups', as: user, payload })).json().group_id;
    const refused = await send('PATCH', `/users/${user.userId}`, root, { status: 'disabled' });
    expect(refused.json()).toMatchObject({ code: 'last_admin', status: 409, detail: expect.stringContaining(group) });
    await send('DELETE', `/groups/${group}`, root);
    expect(await codeOf(send('PATCH', `/users/${user.userId}`, root, { status: 'disabled' }))).toBe(200);
  });
});

describe('system roles', () => {
  test('are given and taken, once each, and count from the next request on', async () => {
    expect(await codeOf(send('GET', '/users', ada))).toBe('forbidden');
    expect(await role('PUT', ada, 'super_admin')).toBe(204);
    expect(await role('PUT', ada, 'super_admin')).toBe(204);
    expect(await codeOf(send('GET', '/users', ada))).toBe(200);
    expect(await role('DELETE', ada, 'super_admin')).toBe(204);
    expect(await role('DELETE', ada, 'super_admin')).toBe(204);
    expect(await codeOf(send('GET', '/users', ada))).toBe('forbidden');
    const entries = await api.db.query(sql`SELECT action, detail FROM audit_log
      WHERE target_id = ${ada.userId} AND action LIKE 'role.%' ORDER BY seq`);
    expect(entries).toEqual([
      { action: 'role.granted', detail: '{"role":"super_admin"}' },
      { action: 'role.revoked', detail: '{"role":"super_admin"}' },
    ]);
  });

  test('the last super_admin keeps theirs, and stays enabled', async () => {
    expect(await role('DELETE', root, 'super_admin')).toBe('last_super_admin');
    expect(await codeOf(send('PATCH', `/users/${root.userId}`, root, { status: 'disabled' }))).toBe('last_super_admin');
  });

  test('need a sign-in of the last minutes', async () => {
    await api.execute(sql`UPDATE sessions SET created_at = created_at - 301000 WHERE user_id = ${root.userId}`);
    expect(await role('PUT', ada, 'auditor')).toBe('sign_in_again');
    expect(await role('DELETE', ada, 'auditor')).toBe('sign_in_again');
    expect(await codeOf(send('GET', '/users', root))).toBe(200);
    await api.execute(sql`UPDATE sessions SET created_at = ${now} WHERE user_id = ${root.userId}`);
    expect(await role('PUT', ada, 'auditor')).toBe(204);
  });

  test('go to nobody unknown, disabled or unproven, and there are three of them', async () => {
    const user = await api.registerUser();
    expect(await role('PUT', { ...user, userId: 'f'.repeat(64) }, 'operator')).toBe('not_found');
    expect(await role('PUT', user, 'owner')).toBe('validation_failed');
    await api.execute(sql`UPDATE users SET email_state = 'unproven' WHERE user_id = ${user.userId}`);
    expect(await role('PUT', user, 'operator')).toBe('conflict');
    await api.execute(sql`UPDATE users SET email_state = 'proven', status = 'disabled' WHERE user_id = ${user.userId}`);
    expect(await role('PUT', user, 'operator')).toBe('conflict');
  });

  test('are no business of keys, guests or anybody else', async () => {
    const key = await api.createKey(root, ['read', 'search', 'ingest', 'manage']);
    expect(await role('PUT', ada, 'operator', key)).toBe('forbidden');
    expect(await role('PUT', ada, 'operator', ada)).toBe('forbidden');
    expect(await codeOf(send('PUT', `/users/${ada.userId}/roles/operator`, undefined))).toBe('unauthenticated');
  });
});
