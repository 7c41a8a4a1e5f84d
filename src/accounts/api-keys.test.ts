import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addMember, createGroup } from '../../test/factories.ts';
import { accountDependencies, registerUser, TEST_PASSWORD } from '../../test/harness/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { authenticate, guestSubject, type Subject } from '../access/index.ts';
import { sql } from '../db/sql.ts';
import type { ApiKey } from './api-key.ts';
import { createApiKey } from './create-api-key.ts';
import type { AccountDependencies } from './dependencies.ts';
import { listApiKeys } from './list-api-keys.ts';
import { login } from './login.ts';
import { removeApiKey } from './remove-api-key.ts';

let database: TestDatabase;
let dependencies: AccountDependencies;
let ada: Subject;
beforeEach(async () => {
  database = await createTestDatabase();
  dependencies = await accountDependencies(database.db);
  ada = await signUp('ada@example.com');
});
afterEach(() => database.close());

async function signUp(email: string): Promise<Subject> {
  const { tokens } = await registerUser(dependencies, email);
  return authenticate(dependencies, `Bearer ${tokens.accessToken}`);
}

async function signIn(email: string): Promise<Subject> {
  const { tokens } = await login(dependencies, { email, password: TEST_PASSWORD, clientAddress: '::1' });
  return authenticate(dependencies, `Bearer ${tokens.accessToken}`);
}

const create = (subject: Subject, input: Partial<Parameters<typeof createApiKey>[2]> = {}) =>
  createApiKey(dependencies, subject, { name: 'laptop', expiresAt: null, ...input });

describe('an API key', () => {
  test('is for everything that needs no system role unless it is said what for', async () => {
    const { key, secret } = await create(ada);
    expect(key).toMatchObject({ name: 'laptop', scopes: ['read', 'search', 'ingest', 'manage'], expiresAt: null });
    expect(key.lastUsedAt).toBeNull();
    expect(secret).toMatch(new RegExp(`^rag_${key.keyId}_[A-Za-z0-9_-]{43}_[0-9a-f]{8}$`));
    expect((await create(ada, { scopes: ['search', 'search'] })).key.scopes).toEqual(['search']);
  });

  test('is written down when it is made and when it is deleted, without its name and secret', async () => {
    const { key, secret } = await create(ada, { scopes: ['read'], levelCap: 'read' });
    await removeApiKey(dependencies, ada, key.keyId);
    await expect(removeApiKey(dependencies, ada, key.keyId)).rejects.toMatchObject({ code: 'not_found' });
    const entries = await database.db.query(sql`SELECT * FROM audit_log WHERE target_type = 'api_key' ORDER BY seq`);
    expect(entries).toMatchObject([
      { action: 'api_key.created', actor_id: ada.userId, target_id: key.keyId },
      { action: 'api_key.deleted', actor_id: ada.userId, target_id: key.keyId },
    ]);
    expect(JSON.parse(entries[0]!.detail as string)).toEqual({ scopes: 'read', level_cap: 'read', group_id: null });
    expect(JSON.stringify(entries)).not.toMatch(new RegExp(`laptop|${secret.slice(41, 84)}`));
  });

  test('cannot be made with a key, nor by a guest', async () => {
    const { secret } = await create(ada);
    const byKey = await authenticate(dependencies, `Bearer ${secret}`);
    for (const subject of [byKey, guestSubject()]) {
      await expect(create(subject)).rejects.toMatchObject({ code: 'forbidden' });
    }
  });

  test('for the expiry sweep needs the role for it', async () => {
    await expect(create(ada, { scopes: ['content:expire'] })).rejects.toMatchObject({ code: 'forbidden' });
    await database.db.batch([
      sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${ada.userId}, 'operator', 0)`,
    ]);
    await expect(create(ada, { scopes: ['content:expire'] })).rejects.toMatchObject({ code: 'forbidden' });
  });

  test('may be limited to a level and to a group of its user', async () => {
    const groupId = await createGroup(database.db);
    await addMember(database.db, groupId, ada.userId!);
    const { key, secret } = await create(ada, { levelCap: 'write', groupId });
    expect(key).toMatchObject({ levelCap: 'write', groupId });
    expect(await listApiKeys(dependencies, ada, { before: null, limit: 10 })).toEqual([key]);
    const subject = await authenticate(dependencies, `Bearer ${secret}`);
    expect(subject).toMatchObject({ levelCap: 2, groupId, systemRoles: [] });
  });

  test.each([
    [['read'], 'manage', 1],
    [['read', 'ingest'], 'read', 1],
    [['manage'], 'manage', 3],
    [['manage'], null, 4],
  ] as const)('with the scopes %j and the cap %j reaches the lower of the two', async (scopes, levelCap, reached) => {
    const { secret } = await create(ada, { scopes: [...scopes], levelCap });
    expect((await authenticate(dependencies, `Bearer ${secret}`)).levelCap).toBe(reached);
  });

  test('is made for no group that its user is not in, and never sweeps for one', async () => {
    const groupId = await createGroup(database.db);
    await expect(create(ada, { groupId })).rejects.toMatchObject({ code: 'not_found' });
    await expect(create(ada, { groupId: 'nothing' })).rejects.toMatchObject({ code: 'not_found' });
    await addMember(database.db, groupId, ada.userId!);
    await database.db.batch([
      sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${ada.userId}, 'operator', 0)`,
    ]);
    const operator = await signIn('ada@example.com');
    await expect(create(operator, { groupId, scopes: ['content:expire'] })).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'body.group_id' }],
    });
  });

  test('goes with its group, since without the limit it would see more', async () => {
    const groupId = await createGroup(database.db);
    await addMember(database.db, groupId, ada.userId!);
    const { secret } = await create(ada, { groupId });
    await database.db.batch([sql`DELETE FROM groups`]);
    await expect(authenticate(dependencies, `Bearer ${secret}`)).rejects.toMatchObject({ code: 'invalid_credentials' });
  });

  test('cannot have expired before it is made', async () => {
    await expect(create(ada, { expiresAt: Date.now() - 1_000 })).rejects.toMatchObject({
      code: 'validation_failed',
      errors: [{ path: 'body.expires_at' }],
    });
    const expiresAt = Date.now() + 60_000;
    expect((await create(ada, { expiresAt })).key.expiresAt).toBe(expiresAt);
  });

  test('is gone with its deletion, which only its user can do', async () => {
    const { key, secret } = await create(ada);
    const bob = await signUp('bob@example.com');
    await expect(removeApiKey(dependencies, bob, key.keyId)).rejects.toMatchObject({ code: 'not_found' });
    await removeApiKey(dependencies, ada, key.keyId);
    await expect(authenticate(dependencies, `Bearer ${secret}`)).rejects.toMatchObject({ code: 'invalid_credentials' });
    await expect(removeApiKey(dependencies, ada, key.keyId)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('the list of API keys', () => {
  const page = (before: ApiKey | null, limit: number) => listApiKeys(dependencies, ada, { before, limit });

  test('has the own ones, newest first', async () => {
    for (const age of [3, 1, 2]) {
      const { key } = await create(ada, { name: `${age} days old` });
      await database.db.batch([
        sql`UPDATE api_keys SET created_at = created_at - ${age * 86_400_000} WHERE key_id = ${key.keyId}`,
      ]);
    }
    await create(await signUp('bob@example.com'));
    expect((await page(null, 10)).map((key) => key.name)).toEqual(['1 days old', '2 days old', '3 days old']);
  });

  test('comes page by page without gap or repetition, also when all were made in one millisecond', async () => {
    for (let i = 0; i < 5; i++) await create(ada);
    await database.db.batch([sql`UPDATE api_keys SET created_at = 1000`]);
    const all = await page(null, 10);
    const first = await page(null, 2);
    const second = await page(first.at(-1)!, 2);
    const third = await page(second.at(-1)!, 2);
    expect([...first, ...second, ...third]).toEqual(all);
    expect(new Set(all.map((key) => key.keyId)).size).toBe(5);
  });

  test('walks its index', async () => {
    const plan = await database.db.query<{ detail: string }>(sql`EXPLAIN QUERY PLAN SELECT key_id FROM api_keys
      WHERE user_id = 'x' AND (created_at, key_id) < (1, 'y') ORDER BY created_at DESC, key_id DESC LIMIT 2`);
    expect(plan.map((step) => step.detail).join('\n')).toContain('api_keys_by_user (user_id=? AND created_at<?)');
  });
});
