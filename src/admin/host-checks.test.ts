import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { accountDependencies, registerUser, TEST_SECRET } from '../../test/harness/accounts.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import { deriveSecrets } from '../access/index.ts';
import { ok, problem, runChecks } from './finding.ts';
import {
  checkDataDirectory,
  checkDiskSpace,
  checkNodeVersion,
  checkSecret,
  checkSecretOpensData,
  hasAccounts,
} from './host-checks.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anyrag-host-'));
});
afterEach(() => rm(folder, { recursive: true }));

test.each([
  ['v24.0.0', 'ok'],
  ['v25.1.0', 'ok'],
  ['v22.9.0', 'problem'],
  ['nonsense', 'problem'],
])('Node.js %s: %s', (version, status) => {
  expect(checkNodeVersion(version).status).toBe(status);
});

describe('the data folder', () => {
  test('is well when it is ours alone, or not there yet', async () => {
    expect(await checkDataDirectory(folder)).toMatchObject({ status: 'ok' });
    expect(await checkDataDirectory(join(folder, 'later'))).toMatchObject({ status: 'ok' });
  });

  test('is a problem when others can look into it, or when it is none', async () => {
    await chmod(folder, 0o750);
    expect(await checkDataDirectory(folder)).toMatchObject({ status: 'problem', repair: `Run "chmod 700 ${folder}".` });
    await writeFile(join(folder, 'file'), '');
    expect(await checkDataDirectory(join(folder, 'file'))).toMatchObject({ status: 'problem' });
  });
});

describe('the secret', () => {
  const check = (options: { isSet?: boolean; hasAccounts?: boolean } = {}) =>
    checkSecret({ isSet: false, hasAccounts: false, file: join(folder, 'secret-key'), ...options });

  test('may be missing until there are accounts', async () => {
    expect(await check()).toMatchObject({ status: 'ok' });
    expect(await check({ hasAccounts: true })).toMatchObject({ status: 'problem' });
    expect(await check({ hasAccounts: true, isSet: true })).toMatchObject({ status: 'ok' });
  });

  test('is for this user alone', async () => {
    await writeFile(join(folder, 'secret-key'), 'x', { mode: 0o600 });
    expect(await check({ hasAccounts: true })).toMatchObject({ status: 'ok' });
    await chmod(join(folder, 'secret-key'), 0o640);
    expect(await check({ hasAccounts: true })).toMatchObject({
      status: 'problem',
      repair: expect.stringContaining('600'),
    });
  });

  test('must be the one that the accounts were sealed with', async () => {
    const { db, close } = await createTestDatabase();
    try {
      const other = deriveSecrets('x'.repeat(40));
      expect(await hasAccounts(db)).toBe(false);
      expect(await checkSecretOpensData(db, other)).toMatchObject({ status: 'ok' });
      await registerUser(await accountDependencies(db));
      expect(await hasAccounts(db)).toBe(true);
      expect(await checkSecretOpensData(db, deriveSecrets(TEST_SECRET))).toMatchObject({ status: 'ok' });
      expect(await checkSecretOpensData(db, other)).toMatchObject({ status: 'problem' });
    } finally {
      await close();
    }
  });
});

test('the disk must have room for a copy of the database', async () => {
  expect(await checkDiskSpace(folder, Number.MAX_SAFE_INTEGER)).toMatchObject({ status: 'problem' });
  expect(await checkDiskSpace(folder, -Number.MAX_SAFE_INTEGER)).toMatchObject({ status: 'ok' });
});

test('a check that cannot be made is a problem and does not keep the others back', async () => {
  const findings = await runChecks([
    { name: 'a', run: () => ok('fine') },
    {
      name: 'b',
      run: () => {
        throw new Error('no such table');
      },
    },
    { name: 'c', run: async () => problem('bad', 'Do this.') },
  ]);
  expect(findings.map(({ name, status }) => [name, status])).toEqual([
    ['a', 'ok'],
    ['b', 'problem'],
    ['c', 'problem'],
  ]);
  expect(findings[1]!.detail).toContain('no such table');
});
