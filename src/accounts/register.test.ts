import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, assert, beforeEach, describe, expect, test } from 'vitest';
import { accountDependencies, registerUser, TEST_PASSWORD } from '../../test/harness/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { authenticate, deriveSecrets } from '../access/index.ts';
import { sql } from '../db/sql.ts';
import { createUser } from './create-user.ts';
import type { AccountDependencies } from './dependencies.ts';
import { login } from './login.ts';
import { me } from './profile.ts';
import { register } from './register.ts';

let database: TestDatabase;
let dependencies: AccountDependencies;
beforeEach(async () => {
  database = await createTestDatabase();
  dependencies = await accountDependencies(database.db);
});
afterEach(() => database.close());

/** Users and sessions. */
const counts = async () =>
  (
    await database.db.query(
      sql`SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM sessions) AS sessions`,
    )
  )[0];

describe('registering', () => {
  test('makes an account and signs in', async () => {
    const input = { email: ' Ada@Example.com ', password: TEST_PASSWORD, name: 'Ada Lovelace' };
    const outcome = await register(dependencies, input);
    assert(outcome.kind === 'signed_in');
    const { user, tokens } = outcome.signedIn;
    expect(user).toMatchObject({ email: 'ada@example.com', name: 'Ada Lovelace' });
    expect(user.userId).toMatch(/^[0-9a-f]{64}$/);
    expect(Math.abs(user.createdAt - Date.now())).toBeLessThan(60_000);
    expect(await authenticate(dependencies, `Bearer ${tokens.accessToken}`)).toMatchObject({ userId: user.userId });
  });

  test.each(['ada@example.com', 'ADA@EXAMPLE.COM', '  ada@example.com'])(
    'with an address twice fails: %j',
    async (email) => {
      await registerUser(dependencies);
      await expect(registerUser(dependencies, email)).rejects.toMatchObject({ code: 'email_taken' });
      expect(await counts()).toEqual({ users: 1, sessions: 1 });
    },
  );

  test('with one address ten times at once succeeds once', async () => {
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => registerUser(dependencies)));
    const refusals = results.filter((result) => result.status === 'rejected').map((result) => result.reason.code);
    expect(refusals).toEqual(Array(9).fill('email_taken'));
    expect(await counts()).toEqual({ users: 1, sessions: 1 });
  });

  test.each(['closed', 'invite'] as const)('is refused while registration is %s', async (registration) => {
    await expect(registerUser({ ...dependencies, registration })).rejects.toMatchObject({
      code: 'registration_closed',
    });
    expect(await counts()).toEqual({ users: 0, sessions: 0 });
  });

  test.each([
    ['address', { email: 'nonsense', password: TEST_PASSWORD }, 'body.email'],
    ['password', { email: 'ada@example.com', password: 'short' }, 'body.password'],
  ])('with a bad %s names the field', async (_, input, path) => {
    const refusal = { code: 'validation_failed', errors: [{ path }] };
    await expect(register(dependencies, input)).rejects.toMatchObject(refusal);
    expect(await counts()).toEqual({ users: 0, sessions: 0 });
  });

  test('leaves neither address nor name nor password in any file of the database', async () => {
    await register(dependencies, {
      email: 'ada.lovelace@example.com',
      password: TEST_PASSWORD,
      name: 'Countess Lovelace',
    });
    await login(dependencies, { email: 'ada.lovelace@example.com', password: TEST_PASSWORD, clientAddress: '::1' });
    const directory = dirname(database.path);
    const files = await Promise.all(
      (await readdir(directory)).map((name) => readFile(join(directory, name), 'latin1')),
    );
    const bytes = files.join('').toLowerCase();
    expect(bytes).toContain('$argon2id$');
    for (const secret of ['lovelace', 'ada.', 'example.com', 'countess', TEST_PASSWORD])
      expect(bytes).not.toContain(secret);
  });
});

describe('making a user as the operator', () => {
  test('works while registration is closed, and gives the role', async () => {
    const input = { email: 'root@example.com', password: TEST_PASSWORD, role: 'super_admin' as const };
    const user = await createUser(dependencies, input);
    const { tokens } = await login(dependencies, { ...input, clientAddress: '::1' });
    const subject = await authenticate(dependencies, `Bearer ${tokens.accessToken}`);
    expect(subject).toMatchObject({ userId: user.userId, systemRoles: ['super_admin'] });
  });

  test('of an address that is taken fails', async () => {
    await registerUser(dependencies);
    const again = createUser(dependencies, { email: 'ada@example.com', password: TEST_PASSWORD, role: null });
    await expect(again).rejects.toMatchObject({ code: 'email_taken' });
  });
});

describe('the profile', () => {
  const subjectOf = async (accessToken: string) => authenticate(dependencies, `Bearer ${accessToken}`);

  test('has roles, and groups by name without those that have expired', async () => {
    const { user, tokens } = await registerUser(dependencies);
    const group = (id: string, name: string) =>
      sql`INSERT INTO groups (group_id, name, created_at, updated_at) VALUES (${id}, ${name}, 0, 0)`;
    const member = (groupId: string, role: string, expiresAt: number | null) =>
      sql`INSERT INTO group_memberships (group_id, user_id, role, expires_at, created_at, updated_at)
        VALUES (${groupId}, ${user.userId}, ${role}, ${expiresAt}, 0, 0)`;
    await database.db.batch([
      group('g1', 'Zoology "A"'),
      group('g2', 'Astronomy'),
      group('g3', 'Past'),
      group('g4', 'Foreign'),
      member('g1', 'admin', null),
      member('g2', 'viewer', Date.now() + 60_000),
      member('g3', 'editor', 1),
      sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${user.userId}, 'auditor', 0)`,
    ]);
    expect(await me(dependencies, await subjectOf(tokens.accessToken))).toEqual({
      ...user,
      systemRoles: ['auditor'],
      groups: [
        { groupId: 'g2', name: 'Astronomy', role: 'viewer' },
        { groupId: 'g1', name: 'Zoology "A"', role: 'admin' },
      ],
    });
  });

  test('of a user who was deleted meanwhile is refused', async () => {
    const subject = await subjectOf((await registerUser(dependencies)).tokens.accessToken);
    await database.db.batch([sql`DELETE FROM users`]);
    await expect(me(dependencies, subject)).rejects.toMatchObject({ code: 'invalid_credentials' });
  });
});

test('under another master secret nobody is known and nothing opens', async () => {
  await registerUser(dependencies);
  const other = { ...dependencies, secrets: deriveSecrets('another-secret-of-32-characters-at-least') };
  const attempt = login(other, { email: 'ada@example.com', password: TEST_PASSWORD, clientAddress: '::1' });
  await expect(attempt).rejects.toMatchObject({ code: 'invalid_credentials' });
});
