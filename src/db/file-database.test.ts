import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readElsewhere, type StartedProcess, startProcess } from '../../test/database-processes/start.ts';
import type { Database } from './database.ts';
import { type FileDatabaseOptions, openFileDatabase } from './file-database.ts';
import { sql } from './sql.ts';

let directory: string;
let path: string;
const opened: Database[] = [];
const started: StartedProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anyrag-db-'));
  path = join(directory, 'test.db');
});
afterEach(async () => {
  for (const database of opened.splice(0)) await database.close();
  for (const process of started.splice(0)) await process.kill();
  await rm(directory, { recursive: true });
});

async function openFile(options: Partial<FileDatabaseOptions> = {}): Promise<Database> {
  const database = await openFileDatabase({ path, durability: 'normal', ...options });
  opened.push(database);
  return database;
}

function start(script: string, ...args: string[]): StartedProcess {
  const process = startProcess(script, ...args);
  started.push(process);
  return process;
}

async function holdLock(): Promise<StartedProcess> {
  const holder = start('hold-lock.ts', path);
  await holder.printed('locked');
  return holder;
}

describe('opening', () => {
  test('makes a private file in WAL mode with large pages', async () => {
    const database = await openFile();
    await database.batch([sql`CREATE TABLE t (id INTEGER)`]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(`${path}-wal`)).mode & 0o777).toBe(0o600);
    expect(await readElsewhere(path, 'PRAGMA page_size')).toEqual([{ page_size: 8192 }]);
    expect(await readElsewhere(path, 'PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }]);
  });

  test('takes a file that was made elsewhere with other pages', async () => {
    const foreign = new DatabaseSync(path);
    foreign.exec('PRAGMA page_size = 4096; CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (7)');
    foreign.close();
    const database = await openFile();
    expect(await database.query(sql`SELECT id FROM t`)).toEqual([{ id: 7 }]);
  });

  test('overwrites what is deleted', async () => {
    const database = await openFile();
    await database.batch([sql`CREATE TABLE t (text TEXT)`, sql`INSERT INTO t VALUES ('a-secret-to-forget')`]);
    await database.batch([sql`DELETE FROM t`]);
    await database.close();
    expect((await readFile(path)).includes('a-secret-to-forget')).toBe(false);
  });

  test.skipIf(process.platform !== 'linux')('a second time in the process keeps the locks of the first', async () => {
    await openFile();
    const { ino } = await stat(path);
    const locks = async () => {
      const lines = (await readFile('/proc/locks', 'utf8')).split('\n');
      return lines.filter((line) => line.includes(`:${ino} `)).map((line) => line.replace(/^\d+: /, ''));
    };
    const before = await locks();
    await openFile();
    expect(before).toHaveLength(1);
    expect(await locks()).toEqual(before);
  });

  test('of a file in a missing folder fails with database_unavailable', async () => {
    await expect(openFile({ path: join(directory, 'missing', 'test.db') })).rejects.toMatchObject({
      code: 'database_unavailable',
    });
  });

  test('of a file that is no database fails with database_unavailable', async () => {
    await writeFile(path, 'This is a text, and long enough to be looked at. '.repeat(100));
    await expect(openFile()).rejects.toMatchObject({
      code: 'database_unavailable',
      detail: 'The file is not a database.',
    });
  });

  test('waits while another process holds the lock', async () => {
    const foreign = new DatabaseSync(path);
    foreign.exec('CREATE TABLE t (id INTEGER)');
    foreign.close();
    const holder = await holdLock();
    const opening = openFile();
    holder.child.stdin.end();
    await (await opening).batch([sql`INSERT INTO t VALUES (1)`]);
    expect(await readElsewhere(path, 'SELECT id FROM t')).toEqual([{ id: 1 }]);
  });
});

describe('a write lock held by another process', () => {
  test('is waited for without blocking the event loop', async () => {
    const database = await openFile();
    await database.batch([sql`CREATE TABLE t (id INTEGER)`]);
    const holder = await holdLock();
    let isWaiting = true;
    const batch = database.batch([sql`INSERT INTO t VALUES (1)`]).finally(() => {
      isWaiting = false;
    });
    for (let turn = 0; turn < 1_000; turn += 1) await nextTurn();
    expect(isWaiting).toBe(true);
    expect(await database.query(sql`SELECT id FROM t`)).toEqual([]);
    holder.child.stdin.end();
    await batch;
    expect(await readElsewhere(path, 'SELECT id FROM t')).toEqual([{ id: 1 }]);
  });

  test('fails the batch with database_busy after the time limit, and later ones really commit', async () => {
    const database = await openFile({ busyTimeoutMs: 30 });
    await database.batch([sql`CREATE TABLE t (id INTEGER)`]);
    const holder = await holdLock();
    const batches = [1, 2, 3].map((id) => database.batch([sql`INSERT INTO t VALUES (${id})`]));
    for (const batch of batches) await expect(batch).rejects.toMatchObject({ code: 'database_busy', retryable: true });
    holder.child.stdin.end();
    await holder.output();
    await database.batch([sql`INSERT INTO t VALUES (4)`]);
    expect(await readElsewhere(path, 'SELECT id FROM t')).toEqual([{ id: 4 }]);
  });
});

describe('a file that goes away under an open database', () => {
  test.each<[string, () => Promise<void>]>([
    ['is deleted', () => rm(path)],
    ['is replaced by a copy', () => replaceByCopy(path)],
    ['loses its write-ahead log', () => rm(`${path}-wal`)],
    ['has its write-ahead log replaced by a copy', () => replaceByCopy(`${path}-wal`)],
  ])('because it %s takes no more commits, which nobody else would see', async (_, fault) => {
    const database = await openFile();
    await database.batch([sql`CREATE TABLE t (id INTEGER)`, sql`INSERT INTO t VALUES (1)`]);

    await fault();

    const gone = { code: 'database_unavailable', detail: expect.stringContaining('while it was in use') };
    await expect(database.batch([sql`INSERT INTO t VALUES (2)`])).rejects.toMatchObject(gone);
    await expect
      .poll(() => database.query(sql`SELECT id FROM t`).catch((error: unknown) => error), { timeout: 10_000 })
      .toMatchObject(gone);
  });

  test.each<[string, string, string]>([
    ['the database file', '', 'database file is missing'],
    ['the write-ahead log', '-wal', 'write-ahead log of the database is missing'],
  ])('is not opened without %s, which a crash has left', async (_, suffix, sentence) => {
    const database = await openFile();
    await database.batch([sql`CREATE TABLE log (line TEXT NOT NULL)`]);
    await database.close();
    const victim = start('endless-batch.ts', path);
    await victim.printed('started');
    await victim.kill();
    await rm(`${path}${suffix}`);

    await expect(openFile()).rejects.toMatchObject({
      code: 'database_unavailable',
      detail: expect.stringContaining(sentence),
    });
  });

  async function replaceByCopy(file: string): Promise<void> {
    const bytes = await readFile(file);
    await rm(file);
    await writeFile(file, bytes);
  }
});

describe('several processes', () => {
  test('lose no reported commit and keep no other', async () => {
    const database = await openFile();
    await database.batch([
      sql`CREATE TABLE counter (n INTEGER NOT NULL)`,
      sql`INSERT INTO counter VALUES (0)`,
      sql`CREATE TABLE commits (process TEXT NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (process, n))`,
    ]);
    const writers = ['a', 'b', 'c', 'd'].map((name) => start('increment.ts', path, name, '150'));
    const outputs = await Promise.all(writers.map((writer) => writer.output()));
    const reported = outputs.flatMap((output) => output.trim().split('\n')).sort();
    const stored = await readElsewhere(path, "SELECT process || ' ' || n AS line FROM commits");
    expect(reported).toHaveLength(600);
    expect(stored.map((row) => row.line).sort()).toEqual(reported);
    expect(await readElsewhere(path, 'SELECT n FROM counter')).toEqual([{ n: 600 }]);
  });

  test('keep nothing of a batch in whose midst one was killed', async () => {
    const database = await openFile({ busyTimeoutMs: 0 });
    await database.batch([sql`CREATE TABLE log (line TEXT NOT NULL)`]);
    const victim = start('endless-batch.ts', path);
    await victim.printed('started');
    // Pages of the unfinished batch are in the log once it is larger than what was committed before.
    await expect.poll(async () => (await stat(`${path}-wal`)).size, { timeout: 30_000 }).toBeGreaterThan(10_000_000);
    await expect(database.batch([sql`DELETE FROM log`])).rejects.toMatchObject({ code: 'database_busy' });
    await victim.kill();
    expect(await database.query(sql`SELECT line FROM log`)).toEqual([{ line: 'before' }]);
    await database.batch([sql`INSERT INTO log VALUES ('after')`]);
    expect(await readElsewhere(path, 'SELECT line FROM log')).toEqual([{ line: 'before' }, { line: 'after' }]);
    expect(await readElsewhere(path, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }]);
  });
});

describe('dataVersion', () => {
  test("changes with this client's commits and with those of others, and not otherwise", async () => {
    const database = await openFile();
    const other = await openFile();
    await database.batch([sql`CREATE TABLE t (id INTEGER)`]);
    const first = await database.dataVersion();
    expect(await database.dataVersion()).toBe(first);
    await database.batch([sql`INSERT INTO t VALUES (1)`]);
    const second = await database.dataVersion();
    await other.batch([sql`INSERT INTO t VALUES (2)`]);
    const third = await database.dataVersion();
    await database.query(sql`SELECT * FROM t`);
    expect(new Set([first, second, third]).size).toBe(3);
    expect(await database.dataVersion()).toBe(third);
  });
});

describe('copyTo', () => {
  test('writes a whole database that includes the last batch', async () => {
    const database = await openFile();
    await database.batch([sql`CREATE TABLE t (id INTEGER)`, sql`INSERT INTO t VALUES (1)`]);
    const copy = join(directory, 'copy.db');
    await database.copyTo(copy);
    expect(await readElsewhere(copy, 'SELECT id FROM t')).toEqual([{ id: 1 }]);
    expect(await readElsewhere(copy, 'PRAGMA page_size')).toEqual([{ page_size: 8192 }]);
  });

  test('into a missing folder fails with database_unavailable', async () => {
    const database = await openFile();
    await database.batch([sql`CREATE TABLE t (id INTEGER)`]);
    await expect(database.copyTo(join(directory, 'missing', 'copy.db'))).rejects.toMatchObject({
      code: 'database_unavailable',
    });
  });
});

describe('reading', () => {
  test('off the thread runs as many queries at once as there are readers, and more wait', async () => {
    const database = await openFile({ readers: 2 });
    const reads = Array.from({ length: 9 }, (_, n) => database.query(sql`SELECT ${n} AS n`, { offThread: true }));
    expect((await Promise.all(reads)).flat().map((row) => row.n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('leaves the event loop free while a query runs off the thread', async () => {
    const database = await openFile();
    let isRunning = true;
    const slow = database
      .query(
        sql`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000000) SELECT max(i) AS i FROM n`,
        {
          offThread: true,
        },
      )
      .finally(() => {
        isRunning = false;
      });
    for (let turn = 0; turn < 50; turn += 1) await nextTurn();
    expect(isRunning).toBe(true);
    expect(await slow).toEqual([{ i: 3_000_000 }]);
  });

  test('keeps no snapshot that would stop the log from being folded into the file', async () => {
    const database = await openFile();
    await database.batch([sql`CREATE TABLE t (id INTEGER)`, sql`INSERT INTO t VALUES (1), (2), (3)`]);
    await database.query(sql`SELECT id FROM t`);
    await database.query(sql`SELECT id FROM t`, { offThread: true });
    const foreign = new DatabaseSync(path);
    const checkpoint = foreign.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
    foreign.close();
    expect(checkpoint).toMatchObject({ busy: 0 });
  });

  test('goes on with more different statements than the cache holds', async () => {
    const database = await openFile();
    for (let n = 0; n < 1_200; n += 1) {
      expect(await database.query({ text: `SELECT ${n % 600} AS n`, values: [] })).toEqual([{ n: n % 600 }]);
    }
  });
});
