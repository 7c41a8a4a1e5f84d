import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { accountDependencies, registerUser } from '../../test/harness/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { type AccountDependencies, createApiKey, logout, type SignedIn } from '../accounts/index.ts';
import { sql } from '../db/sql.ts';
import { issueAccessToken } from './access-tokens.ts';
import { newApiKey } from './api-keys.ts';
import { type AuthenticationDependencies, authenticate } from './authenticate.ts';
import { jobOrigin, jobSubject } from './resolve-job-subject.ts';
import type { Scope } from './subject.ts';

let database: TestDatabase;
let dependencies: AccountDependencies;
let ada: SignedIn;
beforeEach(async () => {
  database = await createTestDatabase();
  dependencies = await accountDependencies(database.db);
  ada = await registerUser(dependencies);
});
afterEach(() => database.close());

const bearer = (credential: string, others: Partial<AuthenticationDependencies> = {}) =>
  authenticate({ ...dependencies, ...others }, `Bearer ${credential}`);
const REFUSED = { name: 'AppError', code: 'invalid_credentials', detail: 'The credentials are not valid' };

async function apiKey(scopes: Scope[], expiresAt: number | null = null): Promise<string> {
  const session = await bearer(ada.tokens.accessToken);
  return (await createApiKey(dependencies, session, { name: 'test', scopes, expiresAt })).secret;
}

async function grant(role: string): Promise<void> {
  await database.db.batch([
    sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${ada.user.userId}, ${role}, 0)`,
  ]);
}

describe('an access token', () => {
  test('makes its user a subject with the roles of this moment', async () => {
    expect(await bearer(ada.tokens.accessToken)).toMatchObject({
      kind: 'user',
      userId: ada.user.userId,
      via: 'session',
      systemRoles: [],
      scopes: null,
      levelCap: 4,
    });
    await grant('auditor');
    await grant('operator');
    const subject = await bearer(ada.tokens.accessToken);
    expect([...subject.systemRoles].sort()).toEqual(['auditor', 'operator']);
  });

  test.each(['bearer', 'BEARER', 'Bearer  '])('is taken after the scheme %j', async (scheme) => {
    const header = `${scheme} ${ada.tokens.accessToken}`;
    expect(await authenticate(dependencies, header)).toMatchObject({ userId: ada.user.userId });
  });

  test('is worth nothing from the logout on', async () => {
    await logout(dependencies, await bearer(ada.tokens.accessToken));
    await expect(bearer(ada.tokens.accessToken)).rejects.toMatchObject(REFUSED);
  });

  test.each([
    ['the user is disabled', sql`UPDATE users SET status = 'disabled'`],
    ['the user is deleted', sql`DELETE FROM users`],
    ['the session is revoked', sql`UPDATE sessions SET revoked_at = 1`],
    ['the session has reached its end', sql`UPDATE sessions SET expires_at = 1`],
    ['the session is gone', sql`DELETE FROM sessions`],
  ])('is refused once %s', async (_, change) => {
    await database.db.batch([change]);
    await expect(bearer(ada.tokens.accessToken)).rejects.toMatchObject(REFUSED);
  });

  test('is refused in the session of somebody else', async () => {
    const bob = await registerUser(dependencies, 'bob@example.com');
    const session = await bearer(bob.tokens.accessToken);
    const mixed = await issueAccessToken(dependencies.keys, {
      userId: ada.user.userId,
      sessionId: session.credentialId!,
    });
    await expect(bearer(mixed)).rejects.toMatchObject(REFUSED);
  });

  test('of a deleted account does not come back to life when the same address registers again', async () => {
    await database.db.batch([sql`DELETE FROM users`]);
    const again = await registerUser(dependencies);
    expect(again.user.userId).toBe(ada.user.userId);
    await expect(bearer(ada.tokens.accessToken)).rejects.toMatchObject(REFUSED);
  });
});

describe('an API key', () => {
  test('makes its user a subject with its scopes', async () => {
    const subject = await bearer(await apiKey(['search', 'read']));
    expect(subject).toMatchObject({ userId: ada.user.userId, via: 'api_key', scopes: ['search', 'read'] });
  });

  test.each<[Scope[], number]>([
    [['read', 'search'], 1],
    [['read', 'ingest'], 2],
    [['manage'], 4],
  ])('with the scopes %j reaches level %i at most', async (scopes, levelCap) => {
    expect((await bearer(await apiKey(scopes))).levelCap).toBe(levelCap);
  });

  test('has no system roles, whoever made it', async () => {
    await grant('super_admin');
    expect((await bearer(await apiKey(['read', 'search', 'ingest', 'manage']))).systemRoles).toEqual([]);
  });

  test('for the expiry sweep acts as an operator, as long as its user could be one', async () => {
    await grant('operator');
    const key = await apiKey(['content:expire']);
    expect((await bearer(key)).systemRoles).toEqual(['operator']);
    await database.db.batch([sql`DELETE FROM user_roles`]);
    expect((await bearer(key)).systemRoles).toEqual([]);
  });

  test.each([
    ['it has expired', sql`UPDATE api_keys SET expires_at = 1`],
    ['it is deleted', sql`DELETE FROM api_keys`],
    ['its user is disabled', sql`UPDATE users SET status = 'disabled'`],
    ['its user is deleted', sql`DELETE FROM users`],
  ])('is refused once %s', async (_, change) => {
    const key = await apiKey(['read']);
    await database.db.batch([change]);
    await expect(bearer(key)).rejects.toMatchObject(REFUSED);
  });

  test('outlives the session that made it', async () => {
    const key = await apiKey(['read']);
    await logout(dependencies, await bearer(ada.tokens.accessToken));
    expect(await bearer(key)).toMatchObject({ userId: ada.user.userId });
  });

  test('of a wrong id, a wrong secret and a wrong checksum are refused alike', async () => {
    const key = await apiKey(['read']);
    const other = newApiKey();
    const id = key.slice(4, 40);
    // With its own checksum, so that it gets as far as the comparison.
    const wrongSecret = wellFormed(id, 'A'.repeat(43));
    const wrongChecksum = key.slice(0, -1) + (key.endsWith('0') ? '1' : '0');
    for (const guess of [other.text, wrongSecret, wrongChecksum]) {
      await expect(bearer(guess)).rejects.toMatchObject(REFUSED);
    }
  });

  test('is stored only as a hash', async () => {
    const key = await apiKey(['read']);
    const [row] = await database.db.query(sql`SELECT * FROM api_keys`);
    expect(JSON.stringify(row)).not.toContain(key.slice(41, 84));
  });
});

function wellFormed(keyId: string, secret: string): string {
  const body = `rag_${keyId}_${secret}`;
  return `${body}_${crc32(body).toString(16).padStart(8, '0')}`;
}

describe('the last use of an API key', () => {
  const lastUse = async () =>
    (await database.db.query<{ at: number | null }>(sql`SELECT last_used_at AS at FROM api_keys`))[0]!.at;

  test('is written down, but not twice a minute', async () => {
    const key = await apiKey(['read']);
    await bearer(key);
    await expect.poll(lastUse).not.toBeNull();
    await database.db.batch([sql`UPDATE api_keys SET last_used_at = last_used_at - 30000`]);
    const first = await lastUse();
    await bearer(key);
    // Batches run in order: after this one, an update by the use would be there.
    await database.db.batch([]);
    expect(await lastUse()).toBe(first);
    await database.db.batch([sql`UPDATE api_keys SET last_used_at = last_used_at - 30001`]);
    await bearer(key);
    await expect.poll(lastUse).toBeGreaterThan(first!);
  });

  test('that cannot be written down is logged and does not fail the request', async () => {
    const key = await apiKey(['read']);
    const readOnly = {
      ...database.db,
      query: database.db.query.bind(database.db),
      batch: async () => {
        throw new Error('disk full');
      },
    } as unknown as typeof database.db;
    const warnings: object[] = [];
    const log = { warn: (fields: object) => void warnings.push(fields) };
    expect(await bearer(key, { db: readOnly, log })).toMatchObject({ userId: ada.user.userId });
    await expect.poll(() => warnings).toMatchObject([{ err: { message: 'disk full' } }]);
  });
});

test.each([
  '',
  'Bearer',
  'Bearer ',
  'Basic YWRhOnBhc3N3b3Jk',
  'Bearer a b',
  'Bearer rag_',
  'Bearer null',
  `Bearer ${'x'.repeat(100_000)}`,
])('the header %.40j is refused', async (header) => {
  await expect(authenticate(dependencies, header)).rejects.toMatchObject(REFUSED);
});

test('no text at all gets another answer than the refusal', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.base64String(),
        fc.string().map((text) => `rag_${text}`),
      ),
      async (text) => {
        await expect(bearer(text)).rejects.toMatchObject(REFUSED);
      },
    ),
    { numRuns: 300 },
  );
});

describe('the subject of a job', () => {
  const origin = () => ({ ownerId: ada.user.userId, via: 'session' as const, levelCap: 4 as const, groupId: null });

  test('is the user with the roles of now', async () => {
    await grant('operator');
    expect(await jobSubject(dependencies, origin())).toMatchObject({
      kind: 'user',
      userId: ada.user.userId,
      via: 'session',
      systemRoles: ['operator'],
      levelCap: 4,
    });
  });

  test('keeps the limit of the key that caused it', async () => {
    await grant('operator');
    const subject = await jobSubject(dependencies, { ...origin(), via: 'api_key', levelCap: 2 });
    expect(subject).toMatchObject({ via: 'api_key', levelCap: 2, systemRoles: [] });
  });

  test('goes on when the key that caused it expires, and is nobody when it is deleted', async () => {
    const keyOrigin = jobOrigin(await bearer(await apiKey(['ingest'])));
    await database.db.batch([sql`UPDATE api_keys SET expires_at = 1`]);
    expect(await jobSubject(dependencies, keyOrigin)).toMatchObject({ via: 'api_key', levelCap: 2 });
    await database.db.batch([sql`DELETE FROM api_keys`]);
    expect(await jobSubject(dependencies, keyOrigin)).toBeNull();
  });

  test.each([
    ['disabled', sql`UPDATE users SET status = 'disabled'`],
    ['deleted', sql`DELETE FROM users`],
  ])('is nobody when the user was %s', async (_, change) => {
    await database.db.batch([change]);
    expect(await jobSubject(dependencies, origin())).toBeNull();
  });

  test.each(['guest', 'system'] as const)('of a %s is one', async (via) => {
    expect(await jobSubject(dependencies, { ownerId: null, via, levelCap: 1, groupId: null })).toMatchObject({
      kind: via,
    });
  });

  test('of a user without an id is nobody, not a guest', async () => {
    expect(await jobSubject(dependencies, { ownerId: null, via: 'session', levelCap: 4, groupId: null })).toBeNull();
  });
});
