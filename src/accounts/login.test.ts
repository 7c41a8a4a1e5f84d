import * as nativeArgon2 from '@node-rs/argon2';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { accountDependencies, registerUser, TEST_PASSWORD } from '../../test/harness/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { authenticate, createPasswords } from '../access/index.ts';
import { sql } from '../db/sql.ts';
import type { AccountDependencies } from './dependencies.ts';
import { login } from './login.ts';
import { createLoginThrottle } from './login-throttle.ts';

let database: TestDatabase;
let dependencies: AccountDependencies;
/** Hashes that were verified, in order. */
let verified: string[];

beforeEach(async () => {
  database = await createTestDatabase();
  verified = [];
  const passwords = createPasswords({
    hash: nativeArgon2.hash,
    verify: (hash, password) => {
      verified.push(String(hash));
      return nativeArgon2.verify(hash, password);
    },
  });
  dependencies = await accountDependencies(database.db, { passwords });
  await registerUser(dependencies);
});
afterEach(() => database.close());

const attempt = (input: { email?: string; password?: string; clientAddress?: string } = {}, others = {}) =>
  login(
    { ...dependencies, ...others },
    { email: 'ada@example.com', password: TEST_PASSWORD, clientAddress: '192.0.2.1', ...input },
  );
const REFUSED = { code: 'invalid_credentials', detail: 'The credentials are not valid' };

describe('signing in', () => {
  test('starts a session of its own each time', async () => {
    const [first, second] = [await attempt(), await attempt({ email: ' ADA@example.com' })];
    expect(first.user).toEqual(second.user);
    const sessions = [];
    for (const { tokens } of [first, second]) {
      sessions.push((await authenticate(dependencies, `Bearer ${tokens.accessToken}`)).credentialId);
    }
    expect(new Set(sessions).size).toBe(2);
  });

  test('clears the sessions of the user that have ended', async () => {
    await database.db.batch([sql`UPDATE sessions SET expires_at = 1`]);
    await attempt();
    expect(await database.db.query(sql`SELECT count(*) AS n FROM sessions`)).toEqual([{ n: 1 }]);
  });

  test('renews a hash that was made with other parameters', async () => {
    const weak = await nativeArgon2.hash(TEST_PASSWORD, { memoryCost: 8192, timeCost: 1 });
    await database.db.batch([sql`UPDATE credentials SET password_hash = ${weak}`]);
    await attempt();
    const [row] = await database.db.query<{ hash: string }>(sql`SELECT password_hash AS hash FROM credentials`);
    expect(row!.hash).toContain('m=19456,t=2,p=1');
    await attempt();
    const [again] = await database.db.query<{ hash: string }>(sql`SELECT password_hash AS hash FROM credentials`);
    expect(again).toEqual(row);
  });
});

describe('a sign-in is refused in the same words after the same work', () => {
  test.each([
    ['with a wrong password', null, { password: 'wrong horse battery staple' }],
    ['of an unknown address', null, { email: 'eve@example.com' }],
    ['of what is no address', null, { email: 'nonsense' }],
    ['of a disabled user', sql`UPDATE users SET status = 'disabled'`, {}],
    ['of a user without a password', sql`DELETE FROM credentials`, {}],
    ['of a user with a damaged hash', sql`UPDATE credentials SET password_hash = 'damaged'`, {}],
    ['of a deleted user', sql`DELETE FROM users`, {}],
  ])('%s', async (_, change, input) => {
    if (change !== null) await database.db.batch([change]);
    await expect(attempt(input)).rejects.toMatchObject(REFUSED);
    expect(verified).toHaveLength(1);
    expect(dependencies.passwords.isOutdated(verified[0]!)).toBe(false);
  });
});

describe('after failures', () => {
  test('an account is slowed from the network they came from, and free from others', async () => {
    let nowMs = 0;
    const throttle = createLoginThrottle(dependencies.secrets, () => nowMs);
    const wrong = () => attempt({ password: 'wrong horse battery staple' }, { throttle });
    for (let i = 0; i < 10; i++) await expect(wrong()).rejects.toMatchObject(REFUSED);

    await expect(attempt({}, { throttle })).rejects.toMatchObject({ code: 'rate_limited', retryAfterSeconds: 1 });
    expect(verified).toHaveLength(10);
    expect(await attempt({ clientAddress: '198.51.100.7' }, { throttle })).toBeTruthy();

    nowMs += 1_000;
    expect(await attempt({}, { throttle })).toBeTruthy();
  });

  test('unknown addresses are slowed alike', async () => {
    const throttle = createLoginThrottle(dependencies.secrets, () => 0);
    const guess = () => attempt({ email: 'eve@example.com' }, { throttle });
    for (let i = 0; i < 10; i++) await expect(guess()).rejects.toMatchObject(REFUSED);
    await expect(guess()).rejects.toMatchObject({ code: 'rate_limited', retryAfterSeconds: 1 });
  });

  test('of ours, nothing is held against the caller', async () => {
    const throttle = createLoginThrottle(dependencies.secrets, () => 0);
    const passwords = createPasswords({
      hash: nativeArgon2.hash,
      verify: async () => {
        throw new Error('no memory');
      },
    });
    for (let i = 0; i < 20; i++) await expect(attempt({}, { throttle, passwords })).rejects.toThrow('no memory');
    expect(await attempt({}, { throttle })).toBeTruthy();
  });
});
