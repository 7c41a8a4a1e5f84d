import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { queueOn, type TestQueue } from '../../test/harness/queue.ts';
import { waitUntil } from '../../test/harness/wait-until.ts';
import { finishedJob, startTestWorker } from '../../test/harness/worker.ts';
import { databaseNow } from '../db/clock.ts';
import type { Database, Row, Statement } from '../db/database.ts';
import { now, sql } from '../db/sql.ts';
import { expireResults, insertIdempotentAnswer, type JobContext, type JobHandler, selectJob } from '../jobs/index.ts';
import { MAINTENANCE, maintenanceHandler, type Retention } from './maintenance.ts';

const DAY_MS = 86_400_000;
const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };

let db: Database;
let url: string;
let queue: TestQueue;

beforeEach(async () => {
  const created = await createTestDatabase();
  ({ db, url } = created);
  queue = queueOn(db);
  return created.close;
});

/** Runs maintenance without a worker; `batches` collects what each transaction deleted. */
async function maintain(retention: Partial<Retention> = {}, batches: Row[][][] = []) {
  const handler = maintenanceHandler({ db }, { days: 30, count: 1_000_000, ...retention });
  const context = {
    progress() {},
    async write(statements: readonly Statement[]) {
      const rows = await db.batch(statements);
      batches.push(rows);
      return rows;
    },
  } as unknown as JobContext;
  return handler.run({}, context);
}

/** Finished jobs, the first of them the oldest: `ageMs` ago, then a second apart. */
function finishedRows(count: number, ageMs: number, name = 'old'): Statement {
  return sql`INSERT INTO jobs (job_id, job_type, payload, status, run_at, finished_at, created_at, updated_at)
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${count}),
      at (i, t) AS (SELECT i, ${now} - ${ageMs} + i * 1000 FROM n)
    SELECT ${name} || ' ' || i, 'work', '{}', 'completed', t, t, t, t FROM at`;
}

async function count(rows: Statement): Promise<number> {
  return (await db.query(rows)).length;
}

async function ids(): Promise<string[]> {
  return (await db.query<{ job_id: string }>(sql`SELECT job_id FROM jobs ORDER BY seq`)).map(({ job_id }) => job_id);
}

describe('finished jobs', () => {
  test('go when they are past the age, however many there are, a slice at a time', async () => {
    await queue.run(finishedRows(2_500, 32 * DAY_MS, 'old'), finishedRows(3, 29 * DAY_MS, 'young'));
    const batches: Row[][][] = [];

    expect(await maintain({ days: 30 }, batches)).toMatchObject({ jobs_by_age: 2_500, jobs_by_count: 0 });

    expect(await ids()).toEqual(['young 0', 'young 1', 'young 2']);
    expect(Math.max(...batches.flat().map((rows) => rows.length))).toBe(1_000);
  });

  test('go, the oldest first, when there are too many, and exactly so many stay', async () => {
    await queue.run(finishedRows(2_300, DAY_MS));
    // All at one instant, so that the count has to be cut among equals.
    await queue.run(sql`UPDATE jobs SET finished_at = ${now} - 1000 WHERE job_id >= 'old 5'`);
    const before = await db.query<{ job_id: string }>(sql`SELECT job_id FROM jobs ORDER BY finished_at DESC, seq DESC`);

    expect(await maintain({ count: 1_000 })).toMatchObject({ jobs_by_count: 1_300 });

    const kept = before.slice(0, 1_000).map(({ job_id }) => job_id);
    expect((await ids()).toSorted()).toEqual(kept.toSorted());
    expect(await maintain({ count: 1_000 })).toMatchObject({ jobs_by_count: 0 });
    expect(await maintain({ count: 0 })).toMatchObject({ jobs_by_count: 1_000 });
  });

  test('take their logs and large payloads along, long logs over several transactions', async () => {
    await queue.run(finishedRows(30, 40 * DAY_MS), finishedRows(1, 0, 'young'));
    await queue.run(
      sql`INSERT INTO job_logs (seq, n, at, level, message)
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 899)
        SELECT seq, i, 0, 'info', 'said' FROM jobs CROSS JOIN n`,
      sql`INSERT INTO job_blobs (seq, kind, body) SELECT seq, 'payload', '{}' FROM jobs`,
    );
    const batches: Row[][][] = [];

    expect(await maintain({}, batches)).toMatchObject({ jobs_by_age: 30 });

    const left = [
      await count(sql`SELECT 1 FROM jobs`),
      await count(sql`SELECT 1 FROM job_logs`),
      await count(sql`SELECT 1 FROM job_blobs`),
    ];
    expect(left).toEqual([1, 900, 1]);
    expect(Math.max(...batches.flat().map((rows) => rows.length))).toBe(10_000);
  });

  test('stay while the parent that may ask for them lives', async () => {
    const parent = await queue.enqueue();
    const child = await queue.enqueue({ parentId: parent });
    await queue.run(sql`UPDATE jobs SET open_children = 1 WHERE job_id = ${parent}`);
    await queue.register('w');
    for (const job of await queue.claim('w')) {
      if (job.jobId === child) await queue.settle(job, { kind: 'completed', result: {} });
    }
    await queue.run(sql`UPDATE jobs SET finished_at = 1 WHERE job_id = ${child}`);

    expect(await maintain({ count: 0 })).toMatchObject({ jobs_by_age: 0, jobs_by_count: 0 });
    await queue.run(
      sql`UPDATE jobs SET status = 'completed', worker_id = NULL, finished_at = 1 WHERE job_id = ${parent}`,
    );
    expect(await maintain()).toMatchObject({ jobs_by_age: 2 });
  });

  test('go while others are claimed, run and read, and no live one goes with them', async () => {
    await queue.run(finishedRows(4_000, 40 * DAY_MS), finishedRows(1_500, DAY_MS, 'surplus'));
    const waiting = await queue.enqueueAll(Array.from({ length: 150 }, () => ({ payload: {} })));
    const delayed = await queue.enqueueAll(Array.from({ length: 20 }, () => ({ delayMs: DAY_MS })));
    // The creation of a row says nothing of its age as a finished job.
    await queue.run(sql`UPDATE jobs SET created_at = 1, updated_at = 1 WHERE finished_at IS NULL`);
    const ran: string[] = [];
    const work: JobHandler = {
      payload: maintenanceHandler({ db }, { days: 1, count: 1 }).payload,
      async run(_, { jobId }) {
        ran.push(jobId);
        return {};
      },
    };
    const handlers = new Map<string, JobHandler>([
      ['work', work],
      [MAINTENANCE, maintenanceHandler({ db }, { days: 30, count: 500 }) as JobHandler],
    ]);
    const maintenance = await queue.enqueue({ jobType: MAINTENANCE, priority: -1, uniqueKey: MAINTENANCE });
    const worker = await startTestWorker({ db, url, handlers, concurrency: 3 });
    onTestFinished(() => worker.stop(0));

    for (const id of waiting) {
      const job = await selectJob(db, id, EVERYBODY);
      expect(job?.createdAt).toBe(1);
    }
    const done = await finishedJob(db, maintenance);
    await waitUntil(() => ran.length === waiting.length);
    await worker.stop();

    expect(done.result).toMatchObject({ jobs_by_age: 4_000 });
    expect(ran.toSorted()).toEqual(waiting.toSorted());
    const left = await db.query<{ status: string; n: number }>(
      sql`SELECT status, count(*) AS n FROM jobs WHERE job_id NOT LIKE 'surplus%' GROUP BY 1`,
    );
    expect(left.find(({ status }) => status === 'pending')?.n).toBe(delayed.length);
    expect(await db.query(sql`SELECT 1 FROM jobs WHERE job_id LIKE 'old %'`)).toEqual([]);
    expect(await db.query(sql`PRAGMA integrity_check`)).toEqual([{ integrity_check: 'ok' }]);
    expect(await db.query(sql`PRAGMA foreign_key_check`)).toEqual([]);
  });
});

describe('results', () => {
  test.each([
    ['small', {}],
    ['large', { text: 'x'.repeat(5_000) }],
  ])('that are %s go when their time is up, and the job stays', async (_size, result) => {
    await queue.register('w');
    const [kept, expired] = await queue.enqueueAll([{}, {}]);
    for (const job of await queue.claim('w')) {
      await queue.settle(job, { kind: 'completed', result, resultTtlMs: DAY_MS });
    }
    await queue.run(sql`UPDATE jobs SET result_expires_at = ${now} WHERE job_id = ${expired!}`);

    expect(await maintain()).toMatchObject({ results: 1 });

    expect(await selectJob(db, expired!, EVERYBODY)).toMatchObject({ status: 'completed', result: null });
    expect(await selectJob(db, kept!, EVERYBODY)).toMatchObject({ result });
    expect(await maintain()).toMatchObject({ results: 0 });
  });
});

test('a large result that comes due between the two looks at the clock goes with the next run', async () => {
  await queue.register('w');
  const id = await queue.enqueue();
  const result = { text: 'x'.repeat(5_000) };
  const [job] = await queue.claim('w');
  await queue.settle(job!, { kind: 'completed', result, resultTtlMs: 0 });
  const [removeBodies, forget] = expireResults();

  await queue.run(forget!);
  expect(await selectJob(db, id, EVERYBODY)).toMatchObject({ result });
  await queue.run(removeBodies!, forget!);
  expect(await selectJob(db, id, EVERYBODY)).toMatchObject({ result: null });
});

describe('what else is cleared away', () => {
  test('idempotent answers past their time', async () => {
    const entry = { caller: 'c', requestHash: 'h', answer: {} };
    await queue.run(
      ...insertIdempotentAnswer({ ...entry, key: 'past' }),
      ...insertIdempotentAnswer({ ...entry, key: 'k' }),
    );
    await queue.run(sql`UPDATE idempotency_keys SET expires_at = ${now} WHERE idempotency_key = 'past'`);

    expect(await maintain()).toMatchObject({ idempotent_answers: 1 });
    expect(await db.query(sql`SELECT idempotency_key FROM idempotency_keys`)).toEqual([{ idempotency_key: 'k' }]);
  });

  test('old fires of schedules, but never the latest', async () => {
    const at = await databaseNow(db);
    await queue.run(
      sql`INSERT INTO job_schedules (schedule_id, job_type, payload, cron, next_at, created_at)
        VALUES ('busy', 'work', '{}', '* * * * *', 1, 1), ('rare', 'work', '{}', '* * * * *', 1, 1)`,
      sql`INSERT INTO job_schedule_fires (schedule_id, slot, job_id)
        VALUES ('busy', 1, 'a'), ('busy', 2, 'b'), ('busy', ${at}, 'c'), ('rare', 1, 'd'), ('rare', 2, 'e')`,
    );

    expect(await maintain()).toMatchObject({ schedule_fires: 3 });
    expect(await db.query(sql`SELECT job_id FROM job_schedule_fires ORDER BY job_id`)).toEqual([
      { job_id: 'c' },
      { job_id: 'e' },
    ]);
  });

  test('tenants whose turn has passed, and no share that was given', async () => {
    await queue.enqueueAll([{ tenant: 'idle' }, { tenant: 'weighty' }, { tenant: 'waiting' }, { tenant: 'waiting' }]);
    await queue.run(sql`UPDATE job_lanes SET weight = 3 WHERE tenant = 'weighty'`);
    await queue.register('w');
    await queue.claim('w', 3);

    expect(await maintain()).toMatchObject({ tenants: 1 });
    expect(await db.query(sql`SELECT tenant FROM job_lanes ORDER BY tenant`)).toEqual([
      { tenant: 'waiting' },
      { tenant: 'weighty' },
    ]);
  });

  test('rates that no job has and that hold nothing back', async () => {
    const rate = (key: string) => ({ rate: { key, intervalMs: 60_000 } });
    await queue.enqueueAll([rate('waiting'), rate('started'), rate('gone'), rate('gone, recently used')]);
    await queue.run(
      sql`DELETE FROM jobs WHERE rate_key LIKE 'gone%'`,
      sql`UPDATE job_rates SET due_at = ${now} + 60000 WHERE rate_key IN ('gone, recently used')`,
    );

    expect(await maintain()).toMatchObject({ rates: 1 });
    expect(await db.query(sql`SELECT rate_key FROM job_rates ORDER BY rate_key`)).toEqual([
      { rate_key: 'gone, recently used' },
      { rate_key: 'started' },
      { rate_key: 'waiting' },
    ]);
  });

  test('workers that are long dead', async () => {
    await queue.register('dead');
    await queue.register('alive');
    await queue.run(sql`UPDATE workers SET lease_until = 1 WHERE worker_id = 'dead'`);

    expect(await maintain()).toMatchObject({ workers: 1 });
    expect(await db.query(sql`SELECT worker_id FROM workers`)).toEqual([{ worker_id: 'alive' }]);
  });
});
