import { beforeEach, expect, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import type { JobContext } from '../jobs/index.ts';
import { INVARIANTS } from './invariants.ts';
import { checkDataHandler } from './jobs.ts';

let db: Database;

beforeEach(async () => {
  const opened = await createTestDatabase();
  db = opened.db;
  return opened.close;
});

test('the nightly check counts what breaks each invariant, and logs what is broken with its repair', async () => {
  await db.batch([
    sql`INSERT INTO jobs (job_id, job_type, payload, status, worker_id, run_at, created_at, updated_at)
      VALUES ('j', 'other', '{}', 'processing', 'gone', 0, 0, 0)`,
  ]);
  const logged: [Record<string, unknown>, string][] = [];
  const log = {
    info() {},
    warn: (fields: Record<string, unknown>, message: string) => void logged.push([fields, message]),
  };
  const context = { log, progress() {}, signal: new AbortController().signal } as unknown as JobContext;

  const counts = await checkDataHandler({ db }).run({}, context);

  const expected = Object.fromEntries(
    INVARIANTS.map(({ name }) => [name, Number(name === 'jobs_have_living_workers')]),
  );
  expect(counts).toEqual(expected);
  expect(logged).toEqual([
    [{ invariant: 'jobs_have_living_workers', violations: 1 }, expect.stringContaining('Start a worker')],
  ]);
});

test('it ends when it is told to', async () => {
  const context = {
    log: { info() {}, warn() {} },
    progress() {},
    signal: AbortSignal.abort(),
  } as unknown as JobContext;
  await expect(checkDataHandler({ db }).run({}, context)).rejects.toThrow();
});
