import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { accountDependencies, registerUser, TEST_PASSWORD } from '../../test/harness/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { authenticate } from '../access/index.ts';
import { openFileDatabase } from '../db/file-database.ts';
import { sql } from '../db/sql.ts';
import type { AccountDependencies } from './dependencies.ts';
import { login } from './login.ts';
import { logout, logoutEverywhere } from './logout.ts';
import { refresh } from './refresh.ts';
import type { SignedIn } from './session.ts';

const DAY_MS = 86_400_000;
let database: TestDatabase;
let dependencies: AccountDependencies;
let ada: SignedIn;
beforeEach(async () => {
  database = await createTestDatabase();
  dependencies = await accountDependencies(database.db);
  ada = await registerUser(dependencies);
});
afterEach(() => database.close());

const REFUSED = { code: 'invalid_credentials', detail: 'The credentials are not valid' };
const subjectOf = ({ tokens }: SignedIn) => authenticate(dependencies, `Bearer ${tokens.accessToken}`);
const next = ({ tokens }: SignedIn) => refresh(dependencies, { refreshToken: tokens.refreshToken });

describe('refreshing', () => {
  test('gives the next tokens of the same session', async () => {
    const second = await next(ada);
    expect(second.user).toEqual(ada.user);
    expect(second.tokens.refreshToken).not.toBe(ada.tokens.refreshToken);
    expect((await subjectOf(second)).credentialId).toBe((await subjectOf(ada)).credentialId);
    expect(await next(second)).toMatchObject({ user: ada.user });
  });

  test('with a spent token ends the session, for whoever holds its other tokens too', async () => {
    const second = await next(ada);
    const third = await next(second);
    await expect(next(ada)).rejects.toMatchObject(REFUSED);
    await expect(next(third)).rejects.toMatchObject(REFUSED);
    for (const signedIn of [ada, second, third]) await expect(subjectOf(signedIn)).rejects.toMatchObject(REFUSED);
  });

  test('with a spent token ends no other session of the user', async () => {
    const bob = await registerUser(dependencies, 'bob@example.com');
    await next(ada);
    await expect(next(ada)).rejects.toMatchObject(REFUSED);
    expect(await subjectOf(bob)).toMatchObject({ userId: bob.user.userId });
  });

  test('twenty times at once with one token succeeds once', async () => {
    const other = await openFileDatabase({ path: database.path, durability: 'normal' });
    try {
      const attempts = Array.from({ length: 20 }, (_, index) =>
        refresh(
          { ...dependencies, db: index % 2 === 0 ? database.db : other },
          { refreshToken: ada.tokens.refreshToken },
        ),
      );
      const results = await Promise.allSettled(attempts);
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
      const refusals = results.filter((result) => result.status === 'rejected');
      for (const { reason } of refusals) expect(reason).toMatchObject(REFUSED);
    } finally {
      await other.close();
    }
  });

  test.each([
    ['of a session that was left', sql`UPDATE sessions SET revoked_at = 1`],
    ['of a session at its end', sql`UPDATE sessions SET expires_at = 1`],
    ['of a disabled user', sql`UPDATE users SET status = 'disabled'`],
    ['of a deleted user', sql`DELETE FROM users`],
    ['unused for too long', sql`UPDATE refresh_tokens SET expires_at = 1`],
  ])('with a token %s is refused', async (_, change) => {
    await database.db.batch([change]);
    await expect(next(ada)).rejects.toMatchObject(REFUSED);
  });

  test.each(['', 'nonsense', 'x'.repeat(1_000)])('with %.20j is refused', async (token) => {
    await expect(refresh(dependencies, { refreshToken: token })).rejects.toMatchObject(REFUSED);
  });

  test('with an access token is refused', async () => {
    await expect(refresh(dependencies, { refreshToken: ada.tokens.accessToken })).rejects.toMatchObject(REFUSED);
  });
});

describe('a refresh whose answer was lost', () => {
  const key = 'chosen by the client for this exchange';
  const repeat = (refreshToken: string, repeatKey: string | null = key) =>
    refresh(dependencies, { refreshToken, repeatKey });

  test('is repeated under the same key, and brings the same refresh token', async () => {
    const first = await repeat(ada.tokens.refreshToken);
    const again = await repeat(ada.tokens.refreshToken);
    expect(again.tokens.refreshToken).toBe(first.tokens.refreshToken);
    expect(await subjectOf(again)).toMatchObject({ userId: ada.user.userId });
    expect(await next(again)).toMatchObject({ user: ada.user });
  });

  test('twenty times at once has one successor', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => repeat(ada.tokens.refreshToken)));
    expect(new Set(all.map(({ tokens }) => tokens.refreshToken)).size).toBe(1);
    expect(await database.db.query(sql`SELECT count(*) AS n FROM refresh_tokens`)).toEqual([{ n: 2 }]);
  });

  test.each<[string, (first: SignedIn) => Promise<unknown>]>([
    ['under another key', () => repeat(ada.tokens.refreshToken, 'chosen by somebody else for theirs')],
    ['under no key', () => repeat(ada.tokens.refreshToken, null)],
    [
      'after ten seconds',
      async () => {
        await database.db.batch([sql`UPDATE refresh_tokens SET used_at = used_at - 10000 WHERE used_at IS NOT NULL`]);
        return repeat(ada.tokens.refreshToken);
      },
    ],
    [
      'when the successor has been used',
      async (first) => {
        await next(first);
        return repeat(ada.tokens.refreshToken);
      },
    ],
  ])('is a reuse that ends the session %s', async (_, reuse) => {
    const first = await repeat(ada.tokens.refreshToken);
    await expect(reuse(first)).rejects.toMatchObject(REFUSED);
    await expect(subjectOf(first)).rejects.toMatchObject(REFUSED);
    const [entry] = await database.db.query(sql`SELECT action, concerned_id FROM audit_log ORDER BY seq DESC`);
    expect(entry).toEqual({ action: 'session.token_reused', concerned_id: ada.user.userId });
  });
});

describe('a refresh token', () => {
  const newest = async () => {
    const rows = await database.db.query<{ life: number; left: number }>(sql`
      SELECT t.expires_at - t.issued_at AS life, s.expires_at - t.expires_at AS left
      FROM refresh_tokens t JOIN sessions s ON s.session_id = t.session_id ORDER BY t.used_at IS NULL DESC LIMIT 1`);
    return rows[0]!;
  };

  test('lives fourteen days, and each refresh gives fourteen more', async () => {
    expect((await newest()).life).toBe(14 * DAY_MS);
    await next(ada);
    expect((await newest()).life).toBe(14 * DAY_MS);
  });

  test('never outlives the ninety days of its session', async () => {
    const [session] = await database.db.query(sql`SELECT expires_at - created_at AS life FROM sessions`);
    expect(session).toEqual({ life: 90 * DAY_MS });
    await database.db.batch([sql`UPDATE sessions SET expires_at = expires_at - ${80 * DAY_MS}`]);
    await next(ada);
    expect(await newest()).toMatchObject({ left: 0 });
  });

  test('is stored only as a hash', async () => {
    const rows = await database.db.query(sql`SELECT * FROM refresh_tokens`);
    expect(JSON.stringify(rows)).not.toContain(ada.tokens.refreshToken);
  });

  test('that is over is cleared with the next refresh', async () => {
    const second = await next(ada);
    await database.db.batch([sql`UPDATE refresh_tokens SET expires_at = 1 WHERE used_at IS NOT NULL`]);
    await next(second);
    expect(await database.db.query(sql`SELECT count(*) AS n FROM refresh_tokens`)).toEqual([{ n: 2 }]);
  });
});

test('a logout everywhere ends every session, in another process too', async () => {
  const other = await openFileDatabase({ path: database.path, durability: 'normal' });
  try {
    const elsewhere = await login(dependencies, {
      email: 'ada@example.com',
      password: TEST_PASSWORD,
      clientAddress: '192.0.2.1',
    });
    await logoutEverywhere(dependencies, await subjectOf(ada));
    for (const { tokens } of [ada, elsewhere]) {
      const attempt = authenticate({ ...dependencies, db: other }, `Bearer ${tokens.accessToken}`);
      await expect(attempt).rejects.toMatchObject(REFUSED);
    }
    await expect(next(elsewhere)).rejects.toMatchObject(REFUSED);
  } finally {
    await other.close();
  }
});

test('a logout ends the session for its other tokens, in another process too', async () => {
  const other = await openFileDatabase({ path: database.path, durability: 'normal' });
  try {
    const second = await next(ada);
    await logout(dependencies, await subjectOf(ada));
    const elsewhere = authenticate({ ...dependencies, db: other }, `Bearer ${second.tokens.accessToken}`);
    await expect(elsewhere).rejects.toMatchObject(REFUSED);
  } finally {
    await other.close();
  }
});
