import { beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../test/harness/database.ts';
import { interceptBatches } from '../../../test/harness/intercept.ts';
import { queueOn, type TestQueue } from '../../../test/harness/queue.ts';
import { databaseNow } from '../../db/clock.ts';
import type { Database } from '../../db/database.ts';
import { now, type Statement, sql } from '../../db/sql.ts';
import type { DeadLetterFilter } from './queries.ts';
import { redrive } from './redrive.ts';

const ANY: DeadLetterFilter = { queue: null, jobType: null, code: null, failedAfter: null };

let db: Database;
let queue: TestQueue;

beforeEach(async () => {
  const created = await createTestDatabase();
  db = created.db;
  queue = queueOn(db);
  return created.close;
});

function failedRows(count: number, name: string): Statement {
  return sql`INSERT INTO jobs (job_id, job_type, payload, status, attempts, crashes, error, run_at, finished_at, created_at,
      updated_at)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    SELECT ${name} || ' ' || i, 'work', '{}', 'failed', 5, 1, '{"code":"job_failed"}', ${now}, ${now}, ${now}, ${now} FROM n`;
}

function redriveDeadLetters(database: Database, filter: DeadLetterFilter): Promise<number> {
  return redrive(database, filter, (statements) => database.batch(statements));
}

async function pending(): Promise<string[]> {
  const rows = await db.query<{ job_id: string }>(sql`SELECT job_id FROM jobs WHERE status = 'pending' ORDER BY seq`);
  return rows.map(({ job_id }) => job_id);
}

describe('redriving', () => {
  test('runs every failed job again, more than a slice of them, and leaves the others alone', async () => {
    await queue.run(failedRows(2_345, 'dead'));
    const cancelled = await queue.enqueue();
    await queue.run(sql`UPDATE jobs SET status = 'cancelled', finished_at = ${now} WHERE job_id = ${cancelled}`);

    expect(await redriveDeadLetters(db, ANY)).toBe(2_345);

    expect(await pending()).toHaveLength(2_345);
    expect(await queue.row('dead 1')).toMatchObject({ attempts: 0, crashes: 0, error: null, finished_at: null });
    expect(await queue.row(cancelled)).toMatchObject({ status: 'cancelled' });
    expect(await redriveDeadLetters(db, ANY)).toBe(0);
  });

  test.each<[string, Partial<DeadLetterFilter>, string[]]>([
    ['a queue', { queue: 'slow' }, ['b']],
    ['a type', { jobType: 'ingest' }, ['c']],
    ['an error code', { code: 'fetch_failed' }, ['a', 'b']],
    ['a time', { failedAfter: 2_000 }, ['b', 'c']],
    ['all of these', { queue: 'slow', jobType: 'work', code: 'fetch_failed', failedAfter: 1_000 }, ['b']],
    ['what none has', { queue: 'slow', code: 'job_failed' }, []],
  ])('can be bound to %s', async (_, filter, expected) => {
    await queue.run(
      sql`INSERT INTO jobs (job_id, queue, job_type, status, error, payload, run_at, finished_at, created_at, updated_at)
        VALUES ('a', 'default', 'work', 'failed', '{"code":"fetch_failed"}', '{}', 0, 1000, 0, 0),
          ('b', 'slow', 'work', 'failed', '{"code":"fetch_failed"}', '{}', 0, 2000, 0, 0),
          ('c', 'default', 'ingest', 'failed', '{"code":"job_failed"}', '{}', 0, 3000, 0, 0)`,
    );

    expect(await redriveDeadLetters(db, { ...ANY, ...filter })).toBe(expected.length);
    expect(await pending()).toEqual(expected);
  });

  test('revives one of several jobs with a unique key, and none while another one lives', async () => {
    await queue.run(failedRows(3, 'dead'));
    await queue.run(sql`UPDATE jobs SET unique_key = 'k'`);

    expect(await redriveDeadLetters(db, ANY)).toBe(1);
    expect(await pending()).toEqual(['dead 1']);
    expect(await redriveDeadLetters(db, ANY)).toBe(0);
  });

  test('ends although what it revives fails again at once', async () => {
    await queue.run(failedRows(1_500, 'dead'), sql`UPDATE jobs SET finished_at = finished_at - 1000`);
    const failing = interceptBatches(db, async (statements, run) => {
      const rows = await run(statements);
      await db.batch([
        sql`UPDATE jobs SET status = 'failed', finished_at = ${(await databaseNow(db)) + 1} WHERE status = 'pending'`,
      ]);
      return rows;
    });

    expect(await redriveDeadLetters(failing, ANY)).toBe(1_500);
  });

  test('puts jobs with a limited key behind their key', async () => {
    await queue.run(failedRows(3, 'dead'), sql`UPDATE jobs SET limit_key = 'k', limit_max = 1`);

    expect(await redriveDeadLetters(db, ANY)).toBe(3);

    await queue.register('w');
    expect(await queue.claim('w')).toHaveLength(1);
  });

  test('makes a parent wait again for a child that runs again', async () => {
    const parent = await queue.enqueue();
    const child = await queue.enqueue({ parentId: parent });
    await queue.run(
      sql`UPDATE jobs SET wait = 'children', open_children = 1 WHERE job_id = ${parent}`,
      sql`UPDATE jobs SET status = 'failed', finished_at = ${now} WHERE job_id = ${child}`,
    );
    expect(await queue.row(parent)).toMatchObject({ open_children: 0, wait: null });

    await redriveDeadLetters(db, ANY);

    expect(await queue.row(parent)).toMatchObject({ open_children: 1 });
  });
});
