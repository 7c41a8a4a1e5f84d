import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startHranaServer } from '../../test/hrana-server/server.ts';
import { networkFileSystemWarning, openDatabase } from './open-database.ts';
import { sql } from './sql.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anyrag db-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('openDatabase', () => {
  test.each([
    ['a path', (path: string) => path],
    ['a file: URL', (path: string) => pathToFileURL(path).href],
    ['a file: URL without slashes', (path: string) => `file:${encodeURI(path)}`],
  ])('opens %s as a file', async (_name, toUrl) => {
    const path = join(directory, 'test.db');
    const { database } = await openDatabase({ url: toUrl(path), durability: 'full' });
    expect(database.path).toBe(path);
    await database.close();
    expect((await stat(path)).size).toBeGreaterThan(0);
  });

  test('opens an http: URL on a server', async () => {
    const server = await startHranaServer({ path: join(directory, 'test.db'), token: 'secret' });
    const { database, warnings } = await openDatabase({ url: server.url, authToken: 'secret', durability: 'normal' });
    expect(await database.query(sql`SELECT 1 AS one`)).toEqual([{ one: 1 }]);
    expect(database.path).toBeNull();
    expect(warnings).toEqual([]);
    await database.close();
    await server.close();
  });

  test.each([
    '',
    ':memory:',
    'file::memory:',
    'file:test.db?mode=ro',
    'file://elsewhere/test.db',
    'postgres://db',
    'wss://db',
  ])('refuses %j with config_invalid', async (url) => {
    await expect(openDatabase({ url, durability: 'normal' })).rejects.toMatchObject({ code: 'config_invalid' });
  });
});

describe('networkFileSystemWarning', () => {
  test.each([
    [0x6969, 'NFS'],
    [0xff534d42, 'CIFS'],
    [0xff534d42 | 0, 'CIFS'],
    [0x01021997, '9p'],
    [0x65735546, 'FUSE'],
  ])('names the file system of type %i: %s', (type, name) => {
    expect(networkFileSystemWarning(type)).toContain(`(${name})`);
  });

  test('is silent about a local disk', () => {
    const ext4 = 0xef53;
    expect(networkFileSystemWarning(ext4)).toBeNull();
  });
});
