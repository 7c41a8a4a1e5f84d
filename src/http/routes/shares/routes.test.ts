import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addMember, createDocument, createGroup } from '../../../../test/factories.ts';
import { createTestApp, type TestApp, type TestUser } from '../../../../test/harness/app.ts';
import { sql } from '../../../db/sql.ts';

let api: TestApp;
let ada: TestUser;
let grace: TestUser;
let linus: TestUser;

beforeAll(async () => {
  api = await createTestApp();
  [ada, grace, linus] = await Promise.all([api.registerUser(), api.registerUser(), api.registerUser()]);
});
afterAll(() => api.close());

async function newDocument(): Promise<string> {
  return (await createDocument(api.db, { ownerId: ada.userId })).documentId;
}

function share(documentId: string, to: TestUser | string, permission: string, as = ada, extra = {}) {
  const grantee =
    typeof to === 'string'
      ? { grantee_type: 'group', grantee_id: to }
      : { grantee_type: 'user', grantee_id: to.userId };
  const payload = { resource_type: 'document', resource_id: documentId, ...grantee, permission, ...extra };
  return api.inject({ method: 'POST', url: '/shares', as, payload });
}

function end(shareId: string, as: TestUser) {
  return api.inject({ method: 'DELETE', url: `/shares/${shareId}`, as });
}

function list(documentId: string, as: TestUser) {
  return api.inject({ url: `/shares?resource_type=document&resource_id=${documentId}`, as });
}

async function permissionsOf(documentId: string, as: TestUser): Promise<string[]> {
  return (await api.inject({ url: `/documents/${documentId}`, as })).json().permissions ?? [];
}

async function codeOf(response: Promise<{ json(): { code?: string }; statusCode: number }>) {
  const { statusCode, json } = await response;
  return statusCode < 400 ? statusCode : json().code;
}

describe('sharing a document', () => {
  test('gives what it says from the next request on, and the same share again changes it', async () => {
    const id = await newDocument();
    const first = await share(id, grace, 'read');
    expect(first.statusCode).toBe(201);
    expect(await permissionsOf(id, grace)).toEqual(['read']);
    const again = await share(id, grace, 'write', ada, { expires_at: '2999-01-01T00:00:00Z' });
    expect([again.statusCode, again.json()]).toEqual([
      200,
      { ...first.json(), permission: 'write', expires_at: '2999-01-01T00:00:00.000Z' },
    ]);
    expect(await permissionsOf(id, grace)).toEqual(['read', 'write']);
    expect((await list(id, ada)).json().items).toEqual([again.json()]);
    expect((await end(first.json().share_id, ada)).statusCode).toBe(204);
    expect(await permissionsOf(id, grace)).toEqual([]);
    const rows = await api.db.query(sql`SELECT action, actor_id, concerned_id, detail FROM audit_log
      WHERE target_type = 'document' AND target_id = ${id} ORDER BY seq`);
    expect(rows).toMatchObject([
      { action: 'share.granted', actor_id: ada.userId, concerned_id: grace.userId },
      { action: 'share.granted', detail: '{"grantee_type":"user","permission":"write","expires_at":32472144000000}' },
      { action: 'share.revoked', concerned_id: grace.userId },
    ]);
  });

  test('ends by itself at its instant, and can be given anew', async () => {
    const id = await newDocument();
    expect(await codeOf(share(id, grace, 'read', ada, { expires_at: '2020-01-01T00:00:00Z' }))).toBe(
      'expiry_in_the_past',
    );
    const { share_id } = (await share(id, grace, 'manage', ada, { expires_at: '2999-01-01T00:00:00Z' })).json();
    await api.execute(sql`UPDATE resource_shares SET expires_at = 1 WHERE share_id = ${share_id}`);
    expect(await permissionsOf(id, grace)).toEqual([]);
    expect((await list(id, ada)).json().items).toEqual([]);
    expect(await codeOf(end(share_id, ada))).toBe('not_found');
    expect(await codeOf(share(id, grace, 'read'))).toBe(200);
    expect(await permissionsOf(id, grace)).toEqual(['read']);
  });

  test('goes no further than what one holds: manage is the owner’s to give, change and take', async () => {
    const id = await newDocument();
    await share(id, grace, 'manage');
    expect(await codeOf(share(id, linus, 'manage', grace))).toBe('forbidden');
    const write = (await share(id, linus, 'write', grace)).json();
    expect(await codeOf(share(id, linus, 'read', linus))).toBe('forbidden');
    expect(await codeOf(end(write.share_id, grace))).toBe(204);

    const managing = (await share(id, linus, 'manage')).json();
    expect(await codeOf(share(id, linus, 'read', grace))).toBe('forbidden');
    expect(await codeOf(end(managing.share_id, grace))).toBe('forbidden');
    expect(await permissionsOf(id, linus)).toEqual(['read', 'write', 'manage']);
    // Whoever has it may give it up.
    expect(await codeOf(end(managing.share_id, linus))).toBe(204);
  });

  test.each([
    ['somebody unknown', async () => ({ ...grace, userId: 'f'.repeat(64) }), 'not_found'],
    ['its owner', async () => ada, 'conflict'],
    ['a group that does not exist', async () => 'nowhere', 'not_found'],
    ['a group one is not in', () => createGroup(api.db), 'not_found'],
  ])('with %s is refused', async (_who, to, code) => {
    expect(await codeOf(share(await newDocument(), await to(), 'read'))).toBe(code);
  });

  test('with a disabled or unproven account is refused like one that does not exist', async () => {
    const id = await newDocument();
    const user = await api.registerUser();
    await api.execute(sql`UPDATE users SET email_state = 'unproven' WHERE user_id = ${user.userId}`);
    expect(await codeOf(share(id, user, 'read'))).toBe('not_found');
    await api.execute(sql`UPDATE users SET email_state = 'proven', status = 'disabled' WHERE user_id = ${user.userId}`);
    expect(await codeOf(share(id, user, 'read'))).toBe('not_found');
  });

  test.each([
    ['viewer', 'forbidden'],
    ['editor', 201],
    ['admin', 201],
  ] as const)('with a group: its %s gets a %s', async (role, expected) => {
    const group = await createGroup(api.db);
    await addMember(api.db, group, ada.userId, { role });
    expect(await codeOf(share(await newDocument(), group, 'write'))).toBe(expected);
  });

  test('with a key needs the scope for managing', async () => {
    const id = await newDocument();
    expect(await codeOf(share(id, grace, 'read', await api.createKey(ada, ['read', 'ingest'])))).toBe('forbidden');
    expect(await codeOf(share(id, grace, 'read', await api.createKey(ada, ['manage'])))).toBe(201);
  });
});

describe('a share with a group', () => {
  test('is seen and ended by the group’s admins, seen by its editors, and hidden from others', async () => {
    const group = await createGroup(api.db);
    await addMember(api.db, group, ada.userId, { role: 'editor' });
    await addMember(api.db, group, grace.userId, { role: 'admin' });
    const id = await newDocument();
    const given = (await share(id, group, 'read')).json();
    const seen = (as: TestUser) => api.inject({ url: `/shares?group_id=${group}`, as });
    expect((await seen(grace)).json().items).toEqual([given]);
    expect((await seen(ada)).json().items).toEqual([given]);
    expect((await seen(linus)).statusCode).toBe(404);
    expect(await codeOf(end(given.share_id, linus))).toBe('not_found');
    expect(await codeOf(end(given.share_id, grace))).toBe(204);
    expect(await permissionsOf(id, grace)).toEqual([]);
  });
});

test('the list of shares is for who manages the document', async () => {
  const id = await newDocument();
  await share(id, grace, 'write');
  expect(await codeOf(list(id, grace))).toBe('forbidden');
  expect(await codeOf(list(id, linus))).toBe('not_found');
  await share(id, grace, 'manage');
  const first = (await list(id, grace)).json();
  expect(first.items).toHaveLength(1);
  expect(await codeOf(api.inject({ url: '/shares', as: ada }))).toBe('validation_failed');
  expect(await codeOf(api.inject({ url: `/shares?resource_id=${id}`, as: ada }))).toBe('validation_failed');
});

test('shares are listed page by page, newest first', async () => {
  const id = await newDocument();
  for (const user of [grace, linus, await api.registerUser()]) await share(id, user, 'read');
  const all = (await list(id, ada)).json().items;
  const first = (await api.inject({ url: `/shares?resource_type=document&resource_id=${id}&limit=2`, as: ada })).json();
  const rest = (
    await api.inject({
      url: `/shares?resource_type=document&resource_id=${id}&limit=2&cursor=${first.next_cursor}`,
      as: ada,
    })
  ).json();
  expect([...first.items, ...rest.items]).toEqual(all);
  expect(rest.next_cursor).toBeNull();
});
