import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTogether } from '../../test/access-processes/start-together.ts';
import { readElsewhere } from '../../test/database-processes/start.ts';
import { TEST_SECRET } from '../../test/harness/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { sql } from '../db/sql.ts';
import { issueAccessToken, verifyAccessToken } from './access-tokens.ts';
import { deriveSecrets } from './secrets.ts';
import { openSigningKeys } from './signing-keys.ts';

const CLAIMS = { userId: 'somebody', sessionId: 'session' };
const secrets = deriveSecrets(TEST_SECRET);
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.close());

const open = (nowMs?: () => number) => openSigningKeys({ db: database.db, secrets }, nowMs);

describe('the signing key', () => {
  test('is made on first use and is the same after a restart', async () => {
    const first = await open();
    expect(await readElsewhere(database.path, 'SELECT count(*) AS n FROM signing_keys')).toEqual([{ n: 0 }]);
    const token = await issueAccessToken(first, CLAIMS);
    const second = await open();
    expect(await verifyAccessToken(second, token)).toEqual(CLAIMS);
    expect((await second.active()).kid).toBe((await first.active()).kid);
  });

  test('is one for all who need the first at once', async () => {
    const openings = await Promise.all(Array.from({ length: 5 }, () => open()));
    const kids = await Promise.all(openings.map(async (keys) => (await keys.active()).kid));
    expect(new Set(kids).size).toBe(1);
    expect(await database.db.query(sql`SELECT state FROM signing_keys`)).toEqual([{ state: 'active' }]);
  });

  test('is one for processes that need the first at once, and each verifies the tokens of the others', async () => {
    const tokens = await startTogether('sign.ts', 3, database.path, 'token');
    const keys = await open();
    for (const token of tokens) expect(await verifyAccessToken(keys, token)).toEqual(CLAIMS);
    expect(await database.db.query(sql`SELECT count(*) AS n FROM signing_keys`)).toEqual([{ n: 1 }]);
  });

  test('is found by a process that was there before it, at most a second later', async () => {
    let nowMs = 0;
    const early = await open(() => nowMs);
    const token = await issueAccessToken(await open(), CLAIMS);
    await expect(verifyAccessToken(early, token)).rejects.toMatchObject({ code: 'invalid_credentials' });
    nowMs = 1_000;
    expect(await verifyAccessToken(early, token)).toEqual(CLAIMS);
  });

  test('verifies after it has been retired, and another one signs', async () => {
    const old = await open();
    const token = await issueAccessToken(old, CLAIMS);
    await database.db.batch([sql`UPDATE signing_keys SET state = 'retired'`]);
    const keys = await open();
    expect((await keys.active()).kid).not.toBe((await old.active()).kid);
    expect(await verifyAccessToken(keys, token)).toEqual(CLAIMS);
    expect(await keys.publicKeys()).toHaveLength(2);
  });

  test('is sealed: the private part is not in the file, nor in what is published', async () => {
    const keys = await open();
    await keys.active();
    const published = JSON.stringify(await keys.publicKeys());
    expect(published).not.toContain('"d"');
    const [row] = await database.db.query<{ private_sealed: Uint8Array }>(sql`SELECT private_sealed FROM signing_keys`);
    expect(Buffer.from(row!.private_sealed).toString('latin1')).not.toContain('"d"');
  });

  test('does not open under another master secret, with a sentence that says so', async () => {
    await (await open()).active();
    const other = openSigningKeys({ db: database.db, secrets: deriveSecrets(`${TEST_SECRET}!`) });
    await expect(other).rejects.toThrow(/config_invalid.*SECRET_KEY/);
  });
});
