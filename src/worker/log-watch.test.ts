import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { waitUntil } from '../../test/harness/wait-until.ts';
import { openFileDatabase } from '../db/file-database.ts';
import { sql } from '../db/sql.ts';
import { LogWatch } from './log-watch.ts';

let path: string;
let commit: () => Promise<unknown>;

beforeEach(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-log-'));
  path = join(directory, 'test.db');
  const db = await openFileDatabase({ path, durability: 'normal' });
  await db.batch([sql`CREATE TABLE commits (n INTEGER PRIMARY KEY)`]);
  commit = () => db.batch([sql`INSERT INTO commits DEFAULT VALUES`]);
  return async () => {
    await db.close();
    await rm(directory, { recursive: true });
  };
});

function watch(databasePath: string | null): { watch: LogWatch; reports: () => number } {
  let reports = 0;
  const logWatch = new LogWatch(databasePath, () => reports++);
  onTestFinished(() => logWatch.disarm());
  return { watch: logWatch, reports: () => reports };
}

describe.runIf(process.platform === 'linux')('the log of a database on this host', () => {
  test('reports a commit of another connection, and of many the first one only', async () => {
    const { watch: logWatch, reports } = watch(path);
    const later = watch(path);
    expect(logWatch.arm()).toBe(true);
    await commit();
    await waitUntil(() => reports() === 1, 'the report of a commit');

    later.watch.arm();
    await commit();
    await waitUntil(() => later.reports() === 1, 'the report of a later commit');
    expect(reports()).toBe(1);

    logWatch.arm();
    await commit();
    await waitUntil(() => reports() === 2, 'the report of a commit after it was armed again');
  });

  test('that is not there cannot be watched', () => {
    expect(watch(`${path}.missing`).watch.arm()).toBe(false);
  });
});

test('of a server nothing can be watched', () => {
  expect(watch(null).watch.arm()).toBe(false);
});
