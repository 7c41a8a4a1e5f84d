import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readElsewhere, startProcess } from '../../test/database-processes/start.ts';
import { type HranaServer, startHranaServer } from '../../test/hrana-server/server.ts';
import type { Database } from './database.ts';
import { openFileDatabase } from './file-database.ts';
import { assertSchemaCurrent, migrate, schemaState } from './migrate.ts';
import { openRemoteDatabase } from './remote-database.ts';
import { sql } from './sql.ts';

const PEOPLE = `
-- People; and who has left.
CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE leavers (id INTEGER PRIMARY KEY) STRICT;
CREATE TRIGGER people_leave AFTER DELETE ON people
BEGIN
  SELECT CASE WHEN old.id = 1 THEN RAISE(ABORT, 'the first one stays; always') END;
  INSERT INTO leavers VALUES (old.id);
END;
CREATE VIRTUAL TABLE words USING fts5(txt, content='', contentless_delete=1);
INSERT INTO people VALUES (1, 'Ada'), (2, 'Bob');`;
const NOTES = 'ALTER TABLE people ADD COLUMN note TEXT;';
const BROKEN = "INSERT INTO people VALUES (3, 'Eve'); ALTER TABLE nowhere ADD COLUMN x;";

let directory: string;
let migrations: string;
let path: string;
let database: Database;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anyrag-db-'));
  migrations = join(directory, 'migrations');
  path = join(directory, 'test.db');
  await mkdir(migrations);
  database = await openFileDatabase({ path, durability: 'normal' });
});
afterEach(async () => {
  await database.close();
  await rm(directory, { recursive: true });
});

function write(name: string, script: string): Promise<void> {
  return writeFile(join(migrations, name), script);
}

async function backups(): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.backup')).sort();
}

describe('migrate', () => {
  test('applies what is missing, in order, and records it', async () => {
    await write('0002_notes.sql', NOTES);
    await write('0001_people.sql', PEOPLE);
    expect(await migrate(database, migrations)).toEqual({ applied: [1, 2], backupPath: null });
    expect(await readElsewhere(path, 'SELECT version, name FROM schema_migrations ORDER BY version')).toEqual([
      { version: 1, name: 'people' },
      { version: 2, name: 'notes' },
    ]);
    expect(await readElsewhere(path, 'SELECT id, name, note FROM people WHERE id = 1')).toEqual([
      { id: 1, name: 'Ada', note: null },
    ]);
    await expect(database.batch([sql`DELETE FROM people WHERE id = 1`])).rejects.toMatchObject({ kind: 'trigger' });
  });

  test('does nothing the second time', async () => {
    await write('0001_people.sql', PEOPLE);
    await migrate(database, migrations);
    expect(await migrate(database, migrations)).toEqual({ applied: [], backupPath: null });
    expect(await backups()).toEqual([]);
  });

  test('that fails leaves nothing of its migration, and keeps those before', async () => {
    await write('0001_people.sql', PEOPLE);
    await write('0002_broken.sql', BROKEN);
    await expect(migrate(database, migrations)).rejects.toThrow(/no such table: nowhere/);
    expect(await database.query(sql`SELECT name FROM people ORDER BY id`)).toEqual([{ name: 'Ada' }, { name: 'Bob' }]);
    expect(await schemaState(database, migrations)).toMatchObject({ current: 1, latest: 2 });
    await write('0002_broken.sql', NOTES);
    expect((await migrate(database, migrations)).applied).toEqual([2]);
  });

  test('copies a database that has content before it changes it', async () => {
    await write('0001_people.sql', PEOPLE);
    await migrate(database, migrations);
    await write('0002_notes.sql', NOTES);
    const { backupPath } = await migrate(database, migrations);
    expect(backupPath).toMatch(/test\.db\.schema-0001-.*\.backup$/);
    expect(await readElsewhere(backupPath ?? '', 'SELECT * FROM people WHERE id = 2')).toEqual([
      { id: 2, name: 'Bob' },
    ]);
    expect(await backups()).toHaveLength(1);
  });

  test('keeps the last three copies, in the folder it was told', async () => {
    const backupDir = join(directory, 'copies');
    await mkdir(backupDir);
    await write('0001_people.sql', PEOPLE);
    await migrate(database, migrations);
    for (const version of [2, 3, 4, 5, 6]) {
      await write(`000${version}_step.sql`, `CREATE TABLE step_${version} (id INTEGER);`);
      await migrate(database, migrations, { backupDir });
    }
    const versions = (await readdir(backupDir)).map((name) => /schema-(\d+)/.exec(name)?.[1]);
    expect(versions.sort()).toEqual(['0003', '0004', '0005']);
    expect(await backups()).toEqual([]);
  });

  test('may be run by several processes at once', async () => {
    await write('0001_people.sql', PEOPLE);
    await write('0002_notes.sql', NOTES);
    await write('0003_more.sql', "INSERT INTO people VALUES (3, 'Eve', NULL);");
    const processes = Array.from({ length: 4 }, () => startProcess('migrate.ts', path, migrations));
    const applied = await Promise.all(processes.map(async ({ output }) => JSON.parse(await output()) as number[]));
    expect(applied.flat().sort()).toEqual([1, 2, 3]);
    expect(await readElsewhere(path, 'SELECT count(*) AS n FROM people')).toEqual([{ n: 3 }]);
    expect(await backups()).toEqual([]);
  });

  test('applies each migration once when clients that all found it missing race', async () => {
    await write('0001_people.sql', PEOPLE);
    await write('0002_notes.sql', NOTES);
    const clients = [database];
    for (const _ of [1, 2, 3]) clients.push(await openFileDatabase({ path, durability: 'normal' }));
    const results = await Promise.all(clients.map((client) => migrate(client, migrations)));
    for (const client of clients.slice(1)) await client.close();
    expect(results.flatMap(({ applied }) => applied).sort()).toEqual([1, 2]);
    expect(await readElsewhere(path, 'SELECT count(*) AS n FROM people')).toEqual([{ n: 2 }]);
  });

  test('works on a server, where it makes no copy', async () => {
    await write('0001_people.sql', PEOPLE);
    await onServer(async (remote) => {
      await migrate(remote, migrations);
      await write('0002_notes.sql', NOTES);
      expect(await migrate(remote, migrations)).toEqual({ applied: [2], backupPath: null });
      expect(await remote.query(sql`SELECT id, note FROM people WHERE id = 2`)).toEqual([{ id: 2, note: null }]);
      await expect(remote.batch([sql`DELETE FROM people`])).rejects.toMatchObject({ kind: 'trigger' });
    });
  });

  async function onServer(check: (remote: Database, server: HranaServer) => Promise<void>): Promise<void> {
    const server = await startHranaServer({ path: join(directory, 'server.db') });
    const remote = await openRemoteDatabase({ url: server.url });
    await check(remote, server);
    await remote.close();
    await server.close();
  }
});

describe('a schema that does not fit', () => {
  async function expectMismatch(sentence: RegExp): Promise<void> {
    const expected = { code: 'schema_mismatch', detail: expect.stringMatching(sentence) };
    await expect(migrate(database, migrations)).rejects.toMatchObject(expected);
    await expect(assertSchemaCurrent(database, migrations)).rejects.toMatchObject(expected);
  }

  test('because the database is newer says to install the newer version', async () => {
    await write('0001_people.sql', PEOPLE);
    await write('0002_notes.sql', NOTES);
    await migrate(database, migrations);
    await rm(join(migrations, '0002_notes.sql'));
    await expectMismatch(/newer than this version \(it has 0002_notes.sql\): install the newer version/);
  });

  test('because a migration was changed after it was applied names it', async () => {
    await write('0001_people.sql', PEOPLE);
    await migrate(database, migrations);
    await write('0001_people.sql', `${PEOPLE}\n-- A later thought`);
    await expectMismatch(/0001_people.sql was changed/);
  });

  test('is not made by other line ends', async () => {
    await write('0001_people.sql', PEOPLE);
    await migrate(database, migrations);
    await write('0001_people.sql', PEOPLE.replaceAll('\n', '\r\n'));
    await assertSchemaCurrent(database, migrations);
  });

  test('because a number is missing names it', async () => {
    await write('0001_people.sql', PEOPLE);
    await write('0003_notes.sql', NOTES);
    await expectMismatch(/0002 is missing/);
  });

  test('because a number is there twice names the next', async () => {
    await write('0001_people.sql', PEOPLE);
    await copyFile(join(migrations, '0001_people.sql'), join(migrations, '0001_persons.sql'));
    await expectMismatch(/0002 is missing or numbered twice/);
  });

  test('because a file has another kind of name names it', async () => {
    await write('people.sql', PEOPLE);
    await expectMismatch(/people.sql is not named/);
  });
});

describe('assertSchemaCurrent', () => {
  test('passes when everything is applied', async () => {
    await write('0001_people.sql', PEOPLE);
    await migrate(database, migrations);
    await assertSchemaCurrent(database, migrations);
  });

  test('says to migrate when something is missing, and applies nothing', async () => {
    await write('0001_people.sql', PEOPLE);
    await expect(assertSchemaCurrent(database, migrations)).rejects.toMatchObject({
      code: 'schema_mismatch',
      detail: expect.stringContaining('anyrag migrate'),
    });
    expect(await schemaState(database, migrations)).toMatchObject({ current: 0, latest: 1 });
  });
});
