import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TEST_SECRET } from '../../test/harness/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { verifyAccessToken } from '../access/access-tokens.ts';
import { deriveSecrets, issueAccessToken, openSigningKeys, type SigningKeys, systemSubject } from '../access/index.ts';
import { openFileDatabase } from '../db/file-database.ts';
import { sql } from '../db/sql.ts';
import { revokeSigningKeys, rotateSigningKeys } from './rotate-signing-keys.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const CLAIMS = { userId: 'somebody', sessionId: 'session' };
const secrets = deriveSecrets(TEST_SECRET);

let database: TestDatabase;
/** Of a process that was there all the time, with a clock of its own. */
let keys: SigningKeys;
let nowMs: number;
beforeEach(async () => {
  database = await createTestDatabase();
  nowMs = 0;
  keys = await openSigningKeys({ db: database.db, secrets }, () => nowMs);
  await keys.active();
});
afterEach(() => database.close());

const rotate = (options?: { atOnce?: boolean }) =>
  rotateSigningKeys({ db: database.db, secrets }, systemSubject(), options);
const states = async () =>
  (await database.db.query(sql`SELECT state FROM signing_keys ORDER BY created_at, kid`)).map(({ state }) => state);

/** As if everything had happened that much earlier. */
async function pass(ms: number): Promise<void> {
  nowMs += ms;
  await database.db.batch([
    sql`UPDATE signing_keys SET state_since = state_since - ${ms}, created_at = created_at - ${ms}`,
  ]);
}

describe('the rotation of signing keys', () => {
  test('does nothing while the key is young', async () => {
    await pass(29 * DAY_MS);
    expect(await rotate()).toEqual({ activated: false, published: false });
    expect(await states()).toEqual(['active']);
  });

  test('refuses no valid token at any step, in a process that was there before', async () => {
    const tokens = [await issueAccessToken(keys, CLAIMS)];
    const first = (await keys.active()).kid;
    await pass(30 * DAY_MS);
    tokens.length = 0;
    tokens.push(await issueAccessToken(keys, CLAIMS));

    expect(await rotate()).toEqual({ activated: false, published: true });
    await pass(14 * MINUTE_MS);
    expect(await rotate()).toEqual({ activated: false, published: false });
    expect((await keys.active()).kid).toBe(first);
    expect(await keys.publicKeys()).toHaveLength(2);

    tokens.push(await issueAccessToken(keys, CLAIMS));
    await pass(MINUTE_MS);
    expect(await rotate()).toEqual({ activated: true, published: false });
    nowMs += 10_000;
    expect((await keys.active()).kid).not.toBe(first);
    tokens.push(await issueAccessToken(keys, CLAIMS));
    for (const token of tokens) expect(await verifyAccessToken(keys, token)).toEqual(CLAIMS);

    await pass(19 * MINUTE_MS);
    await rotate();
    expect(await states()).toEqual(['retired', 'active']);
    await pass(MINUTE_MS);
    await rotate();
    expect(await states()).toEqual(['active']);
    await expect(verifyAccessToken(keys, tokens[0]!)).rejects.toMatchObject({ code: 'invalid_credentials' });
    expect(await verifyAccessToken(keys, tokens.at(-1)!)).toEqual(CLAIMS);
  });

  test('twenty times at once, from two processes, publishes and activates one key', async () => {
    const other = await openFileDatabase({ path: database.path, durability: 'normal' });
    try {
      const together = () =>
        Promise.all(
          Array.from({ length: 20 }, (_, index) =>
            rotateSigningKeys({ db: index % 2 === 0 ? database.db : other, secrets }, systemSubject()),
          ),
        );
      await pass(30 * DAY_MS);
      await together();
      expect((await states()).sort()).toEqual(['active', 'next']);
      await pass(15 * MINUTE_MS);
      expect((await together()).filter(({ activated }) => activated)).toHaveLength(1);
      expect((await states()).sort()).toEqual(['active', 'retired']);
    } finally {
      await other.close();
    }
  });

  test('can be begun at any time', async () => {
    expect(await rotate({ atOnce: true })).toEqual({ activated: false, published: true });
    expect(await rotate({ atOnce: true })).toEqual({ activated: false, published: false });
  });

  test('seals the private part, and leaves entries in the audit log', async () => {
    await rotate({ atOnce: true });
    await pass(15 * MINUTE_MS);
    await rotate();
    const rows = await database.db.query<{ private_sealed: Uint8Array }>(sql`SELECT private_sealed FROM signing_keys`);
    for (const row of rows) expect(Buffer.from(row.private_sealed).toString('latin1')).not.toContain('"d"');
    const audit = await database.db.query(sql`SELECT action, via FROM audit_log ORDER BY seq`);
    expect(audit).toEqual([
      { action: 'signing_key.published', via: 'system' },
      { action: 'signing_key.activated', via: 'system' },
    ]);
  });

  test('is refused under another secret, before a key is made that nobody could open', async () => {
    const other = deriveSecrets(`${TEST_SECRET}!`);
    const attempt = rotateSigningKeys({ db: database.db, secrets: other }, systemSubject(), { atOnce: true });
    await expect(attempt).rejects.toMatchObject({ code: 'config_invalid' });
    expect(await states()).toEqual(['active']);
  });
});

test('replacing the keys makes every token invalid within ten seconds, in a process that was there before', async () => {
  const token = await issueAccessToken(keys, CLAIMS);
  await revokeSigningKeys({ db: database.db, secrets }, systemSubject());
  nowMs += 10_000;
  await expect(verifyAccessToken(keys, token)).rejects.toMatchObject({ code: 'invalid_credentials' });
  expect(await verifyAccessToken(keys, await issueAccessToken(keys, CLAIMS))).toEqual(CLAIMS);
  expect(await states()).toEqual(['active']);
});
