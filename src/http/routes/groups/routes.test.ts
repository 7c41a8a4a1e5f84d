import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addMember, createGroup, createUser, subjectOf } from '../../../../test/factories.ts';
import { accountDependencies, TEST_PASSWORD } from '../../../../test/harness/accounts.ts';
import { createTestApp, type TestApp, type TestUser } from '../../../../test/harness/app.ts';
import { invite } from '../../../accounts/index.ts';
import { sql } from '../../../db/sql.ts';
import type { Mailer } from '../../../mail/index.ts';

let api: TestApp;
let ada: TestUser;
let grace: TestUser;
let linus: TestUser;
let superAdmin: TestUser;

beforeAll(async () => {
  api = await createTestApp();
  [ada, grace, linus, superAdmin] = await Promise.all([
    api.registerUser('ada@example.com'),
    api.registerUser('grace@example.com'),
    api.registerUser('linus@example.com'),
    api.registerUser('root@example.com'),
  ]);
  await api.execute(
    sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${superAdmin.userId}, 'super_admin', 0)`,
  );
});
afterAll(() => api.close());

function get(url: string, as?: TestUser) {
  return api.inject({ url, as });
}

function send(method: 'POST' | 'PATCH' | 'DELETE', url: string, as: TestUser | undefined, payload?: object) {
  return api.inject({ method, url, as, ...(payload && { payload }) });
}

async function makeGroup(as = ada, name = 'Herons'): Promise<string> {
  return (await send('POST', '/groups', as, { name })).json().group_id;
}

async function add(group: string, user: TestUser, role: string, extra = {}) {
  return send('POST', `/groups/${group}/members`, ada, { user_id: user.userId, role, ...extra });
}

async function membersOf(group: string, as = ada) {
  const { items } = (await get(`/groups/${group}/members`, as)).json();
  return items.map(({ user_id, role }: Record<string, string>) => [user_id, role]);
}

async function audited(action: string) {
  const rows = await api.db.query(sql`SELECT * FROM audit_log WHERE action = ${action} ORDER BY seq DESC LIMIT 1`);
  return rows[0];
}

async function codeOf(response: Promise<{ json(): { code?: string }; statusCode: number }>) {
  const { statusCode, json } = await response;
  return statusCode < 400 ? statusCode : json().code;
}

describe('groups', () => {
  test('whoever makes one is its first admin, lists it, renames it and deletes it', async () => {
    const created = await send('POST', '/groups', ada, { name: '  Otters ' });
    expect(created.statusCode).toBe(201);
    const group = created.json();
    expect(group).toMatchObject({ name: 'Otters', role: 'admin' });
    expect(created.headers.location).toBe(`/groups/${group.group_id}`);
    expect((await get('/groups', ada)).json().items).toContainEqual(group);
    expect(await membersOf(group.group_id)).toEqual([[ada.userId, 'admin']]);
    expect((await get('/auth/me', ada)).json().groups).toContainEqual({
      group_id: group.group_id,
      name: 'Otters',
      role: 'admin',
    });

    const renamed = await send('PATCH', `/groups/${group.group_id}`, ada, { name: 'Sea otters' });
    expect(renamed.json()).toMatchObject({ name: 'Sea otters', role: 'admin' });
    expect((await send('DELETE', `/groups/${group.group_id}`, ada)).statusCode).toBe(204);
    expect((await get(`/groups/${group.group_id}`, ada)).statusCode).toBe(404);
    expect(await audited('group.deleted')).toMatchObject({ actor_id: ada.userId, target_id: group.group_id });
  });

  test('are listed page by page, newest first, and only one’s own', async () => {
    const ids = [await makeGroup(linus, 'a'), await makeGroup(linus, 'b'), await makeGroup(linus, 'c')].reverse();
    const first = (await get('/groups?limit=2', linus)).json();
    const second = (await get(`/groups?limit=2&cursor=${first.next_cursor}`, linus)).json();
    expect([...first.items, ...second.items].map(({ group_id }) => group_id)).toEqual(ids);
    expect(second.next_cursor).toBeNull();
  });

  test('content that is added for one is shared with it once, and written down once', async () => {
    const group = await makeGroup();
    const source = 'nightly report';
    const id = await api.ingestText(ada, { text: 'First.', group_id: group, source });
    await api.ingestText(ada, { text: 'Second.', group_id: group, source });
    const entries = await api.db.query(sql`SELECT detail FROM audit_log WHERE target_id = ${id}`);
    expect(entries).toEqual([{ detail: `{"grantee_type":"group","group_id":"${group}","permission":"write"}` }]);
  });

  test('go with what was shared with them, while the documents stay', async () => {
    const group = await makeGroup();
    await add(group, grace, 'editor');
    const id = await api.ingestText(ada, { text: 'For the group.', group_id: group });
    expect((await get(`/documents/${id}`, grace)).statusCode).toBe(200);
    await send('DELETE', `/groups/${group}`, ada);
    expect((await get(`/documents/${id}`, grace)).statusCode).toBe(404);
    expect((await get(`/documents/${id}`, ada)).statusCode).toBe(200);
  });
});

describe('members', () => {
  test('are added with a role by an admin, seen by name and never by address, and removed', async () => {
    const group = await makeGroup();
    const added = await add(group, grace, 'viewer');
    expect([added.statusCode, added.json()]).toEqual([
      201,
      { user_id: grace.userId, role: 'viewer', expires_at: null },
    ]);
    const list = await get(`/groups/${group}/members`, grace);
    expect(list.json().items).toEqual([
      { user_id: ada.userId, name: null, role: 'admin', created_at: expect.any(String), expires_at: null },
      { user_id: grace.userId, name: null, role: 'viewer', created_at: expect.any(String), expires_at: null },
    ]);
    expect(list.body).not.toContain('@');
    expect(await audited('member.added')).toMatchObject({
      actor_id: ada.userId,
      concerned_id: grace.userId,
      target_id: group,
      detail: '{"role":"viewer","expires_at":null}',
    });

    expect(
      (await send('PATCH', `/groups/${group}/members/${grace.userId}`, ada, { role: 'editor' })).json(),
    ).toMatchObject({ role: 'editor' });
    expect((await send('DELETE', `/groups/${group}/members/${grace.userId}`, ada)).statusCode).toBe(204);
    expect(await audited('member.removed')).toMatchObject({ concerned_id: grace.userId });
    expect((await get(`/groups/${group}`, grace)).statusCode).toBe(404);
  });

  test('are paged in the order they came', async () => {
    const group = await makeGroup();
    await add(group, grace, 'viewer');
    await add(group, linus, 'viewer');
    const first = (await get(`/groups/${group}/members?limit=2`, ada)).json();
    const rest = (await get(`/groups/${group}/members?limit=2&cursor=${first.next_cursor}`, ada)).json();
    expect(first.items).toHaveLength(2);
    expect(rest.items).toHaveLength(1);
    expect(new Set([...first.items, ...rest.items].map(({ user_id }) => user_id)).size).toBe(3);
  });

  test.each([
    ['an unknown user', () => ({ user_id: 'f'.repeat(64), role: 'viewer' }), 'not_found'],
    ['somebody who is in it already', () => ({ user_id: ada.userId, role: 'viewer' }), 'conflict'],
    [
      'an end in the past',
      () => ({ user_id: grace.userId, role: 'viewer', expires_at: '2020-01-01T00:00:00Z' }),
      'expiry_in_the_past',
    ],
    [
      'both ways of naming',
      () => ({ user_id: grace.userId, email: 'x@example.com', role: 'viewer' }),
      'validation_failed',
    ],
    ['neither', () => ({ role: 'viewer' }), 'validation_failed'],
    ['no address', () => ({ email: 'nobody', role: 'viewer' }), 'validation_failed'],
    ['a role that does not exist', () => ({ user_id: grace.userId, role: 'owner' }), 'validation_failed'],
    ['two roles', () => ({ user_id: grace.userId, role: 'editor,admin' }), 'validation_failed'],
  ])('%s is refused', async (_what, payload, code) => {
    const group = await makeGroup();
    expect(await codeOf(send('POST', `/groups/${group}/members`, ada, payload()))).toBe(code);
    expect(await membersOf(group)).toEqual([[ada.userId, 'admin']]);
  });

  test('whose account is disabled, or only claims its address, cannot be added', async () => {
    const group = await makeGroup();
    const [disabled, unproven] = [await api.registerUser(), await api.registerUser()];
    await api.execute(
      sql`UPDATE users SET status = 'disabled' WHERE user_id = ${disabled.userId}`,
      sql`UPDATE users SET email_state = 'unproven' WHERE user_id = ${unproven.userId}`,
    );
    expect(await codeOf(add(group, disabled, 'viewer'))).toBe('not_found');
    expect(await codeOf(add(group, unproven, 'viewer'))).toBe('not_found');
    expect(await codeOf(send('POST', '/groups', unproven, { name: 'Mine' }))).toBe('email_unproven');
  });

  test('for a while are members until then, and can be added again afterwards', async () => {
    const group = await makeGroup();
    await add(group, grace, 'admin', { expires_at: '2999-01-01T00:00:00Z' });
    expect((await get(`/groups/${group}`, grace)).json().role).toBe('admin');
    // It is no lasting admin, so the other one has to stay.
    expect(await codeOf(send('DELETE', `/groups/${group}/members/${ada.userId}`, ada))).toBe('last_admin');
    await api.execute(sql`UPDATE group_memberships SET expires_at = 1 WHERE user_id = ${grace.userId}`);
    expect((await get(`/groups/${group}`, grace)).statusCode).toBe(404);
    expect(await membersOf(group)).toEqual([[ada.userId, 'admin']]);
    expect(await codeOf(send('PATCH', `/groups/${group}/members/${grace.userId}`, ada, { role: 'viewer' }))).toBe(
      'not_found',
    );
    expect((await add(group, grace, 'viewer')).statusCode).toBe(201);
  });

  test('may all leave but the last admin', async () => {
    const group = await makeGroup();
    await add(group, grace, 'viewer');
    const leave = (as: TestUser) => codeOf(send('DELETE', `/groups/${group}/members/${as.userId}`, as));
    expect(await leave(ada)).toBe('last_admin');
    expect(await codeOf(send('PATCH', `/groups/${group}/members/${ada.userId}`, ada, { role: 'viewer' }))).toBe(
      'last_admin',
    );
    expect(await leave(grace)).toBe(204);
    expect(await audited('member.left')).toMatchObject({ actor_id: grace.userId, target_id: group });
    expect(await leave(grace)).toBe('not_found');
  });

  test('who lose their role lose what came with it at once', async () => {
    const group = await makeGroup();
    await add(group, grace, 'editor');
    const id = await api.ingestText(ada, { text: 'Shared for writing.', group_id: group });
    const write = () => codeOf(send('PATCH', `/documents/${id}`, grace, { tags: ['x'] }));
    expect(await write()).toBe(200);
    await send('PATCH', `/groups/${group}/members/${grace.userId}`, ada, { role: 'viewer' });
    expect(await write()).toBe('forbidden');
    await send('DELETE', `/groups/${group}/members/${grace.userId}`, ada);
    expect(await write()).toBe('not_found');
  });
});

describe('somebody named by an address', () => {
  test('is added at once who has an account, and invited who has none; the answers are alike', async () => {
    const group = await makeGroup();
    const byEmail = (email: string) => send('POST', `/groups/${group}/members`, ada, { email, role: 'editor' });
    const [known, unknown] = [await byEmail(' GRACE@example.com '), await byEmail('stranger@example.com')];
    expect(known.json()).toEqual({ user_id: grace.userId, role: 'editor', expires_at: null });
    expect(unknown.json()).toEqual({
      user_id: expect.stringMatching(/^[0-9a-f]{64}$/),
      role: 'editor',
      expires_at: null,
    });
    expect(unknown.statusCode).toBe(known.statusCode);
    expect(await membersOf(group)).toContainEqual([grace.userId, 'editor']);
    const { items } = (await get(`/groups/${group}/invitations`, ada)).json();
    expect(items).toMatchObject([{ email: 'stranger@example.com', role: 'editor', invited_by: ada.userId }]);
  });

  test('stands nowhere in the clear', async () => {
    const rows = await api.db.query(sql`SELECT * FROM invitations`);
    const text = JSON.stringify([rows, await api.db.query(sql`SELECT * FROM audit_log`), api.logLines]);
    expect(rows.length).toBeGreaterThan(0);
    expect(text).not.toContain('stranger@example.com');
  });
});

describe('invitations', () => {
  async function invite(group: string, email: string, role = 'editor', as = ada) {
    return send('POST', `/groups/${group}/invitations`, as, { email, role });
  }
  const accept = (as: TestUser | undefined, token: string) => send('POST', '/invitations/accept', as, { token });

  test('are accepted once, by whom they were meant for, in the role they name', async () => {
    const group = await makeGroup();
    const created = await invite(group, 'Invited@Example.com');
    expect(created.statusCode).toBe(201);
    expect(created.headers['cache-control']).toBe('no-store');
    const { token, link } = created.json();
    expect(link).toBe(`http://localhost:9090/accept-invitation#token=${token}`);
    const invited = await api.registerUser('invited@example.com');

    expect(await codeOf(accept(grace, token))).toBe('invalid_token');
    expect(await codeOf(accept(invited, `${token}x`))).toBe('invalid_token');
    const accepted = await accept(invited, token);
    expect(accepted.json()).toMatchObject({ group_id: group, role: 'editor' });
    expect(await codeOf(accept(invited, token))).toBe('invalid_token');
    expect(await audited('invitation.accepted')).toMatchObject({
      actor_id: invited.userId,
      concerned_id: ada.userId,
      target_id: group,
    });
    expect((await get(`/groups/${group}/invitations`, ada)).json().items).toEqual([]);
  });

  test.each([
    [
      'was demoted',
      (group: string) =>
        sql`UPDATE group_memberships SET role = 'editor' WHERE group_id = ${group} AND user_id = ${grace.userId}`,
    ],
    [
      'has left',
      (group: string) => sql`DELETE FROM group_memberships WHERE group_id = ${group} AND user_id = ${grace.userId}`,
    ],
    [
      'is an admin no longer by the clock',
      (group: string) =>
        sql`UPDATE group_memberships SET expires_at = 1 WHERE group_id = ${group} AND user_id = ${grace.userId}`,
    ],
  ])('of somebody who %s since are worth nothing', async (_what, change) => {
    const group = await makeGroup();
    await add(group, grace, 'admin');
    const { token } = (await invite(group, 'linus@example.com', 'admin', grace)).json();
    await api.execute(change(group));
    expect(await codeOf(accept(linus, token))).toBe('invalid_token');
    expect((await get(`/groups/${group}/invitations`, ada)).json().items).toEqual([]);
  });

  test('that are revoked, over, or replaced are worth nothing', async () => {
    const group = await makeGroup();
    const first = (await invite(group, 'linus@example.com', 'admin')).json();
    const second = (await invite(group, 'linus@example.com', 'viewer')).json();
    expect(await codeOf(accept(linus, first.token))).toBe('invalid_token');
    await api.execute(sql`UPDATE invitations SET expires_at = 1 WHERE invitation_id = ${second.invitation_id}`);
    expect(await codeOf(accept(linus, second.token))).toBe('invalid_token');
    const third = (await invite(group, 'linus@example.com')).json();
    expect(await codeOf(send('DELETE', `/groups/${group}/invitations/${third.invitation_id}`, ada))).toBe(204);
    expect(await codeOf(accept(linus, third.token))).toBe('invalid_token');
    expect(await codeOf(send('DELETE', `/groups/${group}/invitations/${third.invitation_id}`, ada))).toBe('not_found');
  });

  test('change nothing for who is in the group already', async () => {
    const group = await makeGroup();
    const { token } = (await invite(group, 'linus@example.com', 'viewer')).json();
    await api.execute(sql`INSERT INTO group_memberships (group_id, user_id, role, created_at, updated_at)
      VALUES (${group}, ${linus.userId}, 'editor', 0, 0)`);
    expect((await accept(linus, token)).json()).toMatchObject({ role: 'editor' });
    expect(await codeOf(invite(group, 'linus@example.com'))).toBe('conflict');
  });

  test('need a proven address', async () => {
    const group = await makeGroup();
    const user = await api.registerUser('claimed@example.com');
    const { token } = (await invite(group, 'claimed@example.com')).json();
    await api.execute(sql`UPDATE users SET email_state = 'unproven' WHERE user_id = ${user.userId}`);
    expect(await codeOf(accept(user, token))).toBe('email_unproven');
    await api.execute(sql`UPDATE users SET email_state = 'proven' WHERE user_id = ${user.userId}`);
    expect(await codeOf(accept(user, token))).toBe(200);
  });

  test('accepted twice at the same moment make one member', async () => {
    const group = await makeGroup();
    const { token } = (await invite(group, 'linus@example.com')).json();
    const codes = await Promise.all(Array.from({ length: 8 }, () => codeOf(accept(linus, token))));
    expect(codes.filter((code) => code === 200)).toHaveLength(1);
  });

  test('are no more than a group can have open', async () => {
    const group = await makeGroup();
    await invite(group, 'linus@example.com');
    await api.execute(
      ...Array.from(
        { length: 199 },
        (_, n) => sql`INSERT INTO invitations (invitation_id, group_id,
        email_hmac, email_sealed, role, invited_by, token_hash, created_at, expires_at)
      VALUES (${`${group}${n}`}, ${group}, ${String(n).padStart(64, '0')}, x'00', 'viewer', ${ada.userId},
        ${(group + n).padStart(64, '0')}, 0, 9000000000000)`,
      ),
    );
    expect(await codeOf(invite(group, 'one-more@example.com'))).toBe('conflict');
    expect(await codeOf(invite(group, 'linus@example.com'))).toBe(201);
  });
});

describe('who may do what', () => {
  const EXPECTED = {
    admin: { see: 200, members: 200, rename: 200, add: 201, change: 200, remove: 204, invite: 201, invitations: 200 },
    editor: { see: 200, members: 200, rename: 403, add: 403, change: 403, remove: 403, invite: 403, invitations: 403 },
    viewer: { see: 200, members: 200, rename: 403, add: 403, change: 403, remove: 403, invite: 403, invitations: 403 },
    stranger: {
      see: 404,
      members: 404,
      rename: 404,
      add: 404,
      change: 404,
      remove: 404,
      invite: 404,
      invitations: 404,
    },
    guest: { see: 401, members: 401, rename: 401, add: 401, change: 401, remove: 401, invite: 401, invitations: 401 },
    key: { see: 200, members: 200, rename: 403, add: 403, change: 403, remove: 403, invite: 403, invitations: 403 },
  };

  test.each(Object.entries(EXPECTED))('%s', async (who, expected) => {
    const group = await makeGroup();
    const [member, other] = [await api.registerUser(), await api.registerUser()];
    await add(group, member, 'viewer');
    if (who !== 'stranger' && who !== 'guest' && who !== 'key') await add(group, linus, who);
    const as =
      who === 'guest'
        ? undefined
        : who === 'key'
          ? await api.createKey(ada, ['read', 'search', 'ingest', 'manage'])
          : linus;
    const status = async (response: Promise<{ statusCode: number }>) => (await response).statusCode;
    expect({
      see: await status(get(`/groups/${group}`, as)),
      members: await status(get(`/groups/${group}/members`, as)),
      rename: await status(send('PATCH', `/groups/${group}`, as, { name: 'New' })),
      add: await status(send('POST', `/groups/${group}/members`, as, { user_id: other.userId, role: 'viewer' })),
      change: await status(send('PATCH', `/groups/${group}/members/${member.userId}`, as, { role: 'editor' })),
      remove: await status(send('DELETE', `/groups/${group}/members/${member.userId}`, as)),
      invite: await status(
        send('POST', `/groups/${group}/invitations`, as, { email: 'x@example.com', role: 'viewer' }),
      ),
      invitations: await status(get(`/groups/${group}/invitations`, as)),
    }).toEqual(expected);
  });

  test('nobody raises their own role, and no call about groups makes a super_admin', async () => {
    const group = await makeGroup();
    await add(group, grace, 'editor');
    for (const role of ['admin', 'viewer', 'super_admin']) {
      const code = await codeOf(send('PATCH', `/groups/${group}/members/${grace.userId}`, grace, { role }));
      expect(code).toBe(role === 'super_admin' ? 'validation_failed' : 'forbidden');
    }
    const roles = await api.db.query(sql`SELECT user_id FROM user_roles`);
    expect(roles).toEqual([{ user_id: superAdmin.userId }]);
  });

  test('an admin for a while lets in members for good, and admins for no longer than that, oneself included', async () => {
    const group = await makeGroup();
    const [soon, later] = ['2999-01-01T00:00:00Z', '2999-01-02T00:00:00Z'];
    await add(group, grace, 'admin', { expires_at: soon });
    const addByGrace = (body: object) => codeOf(send('POST', `/groups/${group}/members`, grace, body));
    const change = (user: TestUser, body: object) =>
      codeOf(send('PATCH', `/groups/${group}/members/${user.userId}`, grace, body));
    const invite = (body: object) =>
      codeOf(send('POST', `/groups/${group}/invitations`, grace, { email: 'x@example.com', ...body }));

    for (const expires_at of [null, later]) expect(await change(grace, { expires_at })).toBe('forbidden');
    expect(await change(grace, { role: 'viewer', expires_at: null })).toBe('forbidden');
    for (const end of [{}, { expires_at: later }]) {
      expect(await addByGrace({ user_id: linus.userId, role: 'admin', ...end })).toBe('forbidden');
      expect(await addByGrace({ email: 'nobody@example.com', role: 'admin', ...end })).toBe('forbidden');
      expect(await invite({ role: 'admin', ...end })).toBe('forbidden');
    }
    expect(await invite({ role: 'admin', expires_at: soon })).toBe(201);
    expect(await addByGrace({ user_id: linus.userId, role: 'viewer' })).toBe(201);
    expect(await change(linus, { role: 'admin' })).toBe('forbidden');
    expect(await change(linus, { role: 'admin', expires_at: soon })).toBe(200);
    expect(await change(linus, { expires_at: null })).toBe('forbidden');
    expect(await change(linus, { role: 'editor', expires_at: null })).toBe(200);
    // Whoever has no end may give one away.
    expect(await codeOf(send('PATCH', `/groups/${group}/members/${grace.userId}`, ada, { expires_at: null }))).toBe(
      200,
    );
    expect(await change(linus, { role: 'admin' })).toBe(200);
  });

  test('a super_admin sees any group and can make a member its admin or delete it, and nothing else', async () => {
    const group = await makeGroup();
    await add(group, grace, 'viewer');
    const document = await api.ingestText(ada, { text: 'For the group.', group_id: group });
    const change = (user: TestUser, body: object) =>
      codeOf(send('PATCH', `/groups/${group}/members/${user.userId}`, superAdmin, body));

    expect((await get(`/groups/${group}`, superAdmin)).json()).toMatchObject({ role: null });
    expect((await get(`/groups/${group}/members`, superAdmin)).json().items).toHaveLength(2);
    expect((await get('/groups', superAdmin)).json().items).toEqual([]);
    expect((await get(`/documents/${document}`, superAdmin)).statusCode).toBe(404);
    expect(await change(grace, { role: 'editor' })).toBe('not_found');
    expect(await change(grace, { role: 'admin', expires_at: '2999-01-01T00:00:00Z' })).toBe('not_found');
    expect(await change(superAdmin, { role: 'admin' })).toBe('not_found');
    expect(await codeOf(send('PATCH', `/groups/${group}`, superAdmin, { name: 'Mine' }))).toBe('not_found');
    expect(
      await codeOf(
        send('POST', `/groups/${group}/members`, superAdmin, { user_id: superAdmin.userId, role: 'viewer' }),
      ),
    ).toBe('not_found');
    expect(await change(grace, { role: 'admin' })).toBe(200);
    expect(await codeOf(send('DELETE', `/groups/${group}`, superAdmin))).toBe(204);
  });
});

type Mail = Parameters<Mailer['send']>[0];

describe('registering with an invitation', () => {
  const register = (world: TestApp, email: string, token?: string) =>
    world.inject({
      method: 'POST',
      url: '/auth/register',
      payload: { email, password: TEST_PASSWORD, ...(token && { invitation_token: token }) },
    });

  async function world(mails?: Mail[]) {
    const mailer = mails && { send: async (mail: Mail) => void mails.push(mail), close() {} };
    const made = await createTestApp({ auth: { registration: 'invite' }, ...(mailer && { mailer }) });
    const { userId } = await createUser(made.db);
    const group = await createGroup(made.db);
    await addMember(made.db, group, userId, { role: 'admin' });
    const deps = { ...(await accountDependencies(made.db)), sendsMail: mails !== undefined };
    const invitation = await invite(deps, subjectOf(userId), group, {
      email: 'new@example.com',
      role: 'editor',
      memberUntil: null,
    });
    return { made, group, invitation, admin: userId };
  }

  test('is the only way in where REGISTRATION=invite, for the invited address alone, and leads into the group', async () => {
    const { made, group, invitation } = await world();
    const token = invitation.token!;
    expect((await register(made, 'new@example.com')).json().code).toBe('registration_closed');
    expect((await register(made, 'other@example.com', token)).json().code).toBe('registration_closed');
    expect((await register(made, 'new@example.com', `${token}x`)).json().code).toBe('registration_closed');
    const registered = await register(made, 'New@Example.com', token);
    expect(registered.statusCode).toBe(201);
    const { access_token, user } = registered.json();
    const headers = { authorization: `Bearer ${access_token}` };
    expect((await made.inject({ url: `/groups/${group}`, headers })).json().role).toBe('editor');
    const entries = await made.db.query(sql`SELECT target_id, concerned_id FROM audit_log
      WHERE action = 'invitation.accepted'`);
    expect(entries).toEqual([{ target_id: group, concerned_id: user.user_id }]);
    expect(await made.db.query(sql`SELECT 1 FROM invitations`)).toEqual([]);
    await made.close();
  });

  test('is over when the inviter is no admin any more', async () => {
    const { made, group, invitation, admin } = await world();
    const other = await createUser(made.db);
    await addMember(made.db, group, other.userId, { role: 'admin' });
    await made.execute(sql`DELETE FROM group_memberships WHERE user_id = ${admin}`);
    expect((await register(made, 'new@example.com', invitation.token!)).json().code).toBe('registration_closed');
    await made.close();
  });

  test('goes by mail where mail can be sent, which then proves the address', async () => {
    const mails: Mail[] = [];
    const { made, group, invitation } = await world(mails);
    expect(invitation).toMatchObject({ token: null, link: null });
    await made.runJobs();
    expect(mails).toMatchObject([{ to: 'new@example.com', subject: 'You are invited to a group' }]);
    const token = /token=(\S+)/.exec(mails[0]!.text)![1]!;
    const registered = await register(made, 'new@example.com', token);
    expect(registered.statusCode).toBe(201);
    const states = await made.db.query(sql`SELECT email_state FROM users JOIN group_memberships USING (user_id)
      WHERE group_id = ${group} AND role = 'editor'`);
    expect(states).toEqual([{ email_state: 'proven' }]);
    await made.close();
  });
});
