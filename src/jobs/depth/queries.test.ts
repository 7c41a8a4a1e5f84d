import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { sql } from '../../db/sql.ts';
import { pauseJobs } from '../control/queries.ts';
import { type EnqueueRequest, enqueueJob } from '../enqueue.ts';
import { insertWorker } from '../queries.ts';
import { countWorkers, selectDepths } from './queries.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(() => database.close());

async function enqueue(request: Partial<EnqueueRequest>): Promise<string> {
  const onBehalfOf = { ownerId: null, via: 'system', levelCap: 4, groupId: null } as const;
  const job = enqueueJob({ jobType: 'work', payload: {}, onBehalfOf, ...request });
  await database.db.batch(job.statements);
  return job.jobId;
}

test('live jobs are counted by type, status and reason, and what is finished is not', async () => {
  const { db } = database;
  await db.batch([
    insertWorker({ workerId: 'w1', host: 'here', pid: 1, queues: null, jobTypes: ['work'], leaseMs: 60_000 }),
  ]);
  const old = await enqueue({});
  await enqueue({ queue: 'second' });
  await enqueue({ jobType: 'other' });
  await enqueue({ jobType: 'paused' });
  await enqueue({ delayMs: 60_000 });
  for (let i = 0; i < 3; i++) await enqueue({ limit: { key: 'k', max: 1 } });
  await enqueue({ rate: { key: 'r', intervalMs: 60_000, burst: 1 } });
  const parked = await enqueue({});
  const running = await enqueue({});
  const crashed = await enqueue({});
  const done = await enqueue({});
  await db.batch([
    pauseJobs('default', 'paused'),
    sql`UPDATE jobs SET run_at = run_at - 60000 WHERE job_id = ${old}`,
    sql`UPDATE jobs SET wait = 'children' WHERE job_id = ${parked}`,
    sql`UPDATE jobs SET status = 'processing', worker_id = 'w1' WHERE job_id = ${running}`,
    sql`UPDATE jobs SET crashes = 1 WHERE job_id = ${crashed}`,
    sql`UPDATE jobs SET status = 'completed', finished_at = 1 WHERE job_id = ${done}`,
  ]);
  const depths = await selectDepths(db);
  const counts = Object.fromEntries(depths.map((row) => [`${row.jobType} ${row.status} ${row.reason}`, row.jobs]));
  expect(counts).toEqual({
    // The old one, one in the other queue, the first of the key, and the crashed one.
    'work pending in_line': 4,
    'work pending scheduled': 1,
    'work pending waiting_for_key': 2,
    'work pending waiting_for_rate': 1,
    'work pending waiting_for_children': 1,
    'work processing null': 1,
    'other pending in_line': 1,
    'paused pending paused': 1,
  });
  const oldestOf = (jobType: string, reason: string) =>
    depths.find((row) => row.jobType === jobType && row.reason === reason)?.oldestMs;
  expect(oldestOf('work', 'in_line')).toBeGreaterThanOrEqual(60_000);
  expect(oldestOf('other', 'in_line')).toBeLessThan(60_000);
  expect(oldestOf('paused', 'paused')).toBeNull();
  expect(await countWorkers(db)).toBe(1);
});

test('a worker whose lease has run out is none', async () => {
  await database.db.batch([sql`UPDATE workers SET lease_until = 1`]);
  expect(await countWorkers(database.db)).toBe(0);
});
