import { stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { now, type Statement, sql } from '../../src/db/sql.ts';
import type { JobContext } from '../../src/jobs/index.ts';
import { maintenanceHandler } from '../../src/worker/maintenance.ts';
import { startProcess } from '../database-processes/start.ts';
import { foreignly } from '../harness/broken-disk.ts';
import { auditExecutions } from '../harness/execution-log.ts';
import { waitUntil } from '../harness/wait-until.ts';
import { finishedJob, jobById } from '../harness/worker.ts';
import { createQueueWorld, type QueueWorld } from '../harness/worker-process.ts';

const OLD = Number(process.env.QUEUE_PRUNED ?? 40_000);
const LIVE = 300;
/** Enough for what the long run prunes, on a busy machine. */
const TIME_LIMIT_MS = 120_000 + OLD * 5;
const RETENTION = { days: 30, count: 1_000_000 };
/** Rows that a statement of the pruner deletes at most. */
const SLICE = 1_000;
/**
 * A log is folded into the file when it has 1,000 pages of 8 KiB, and begun anew when nobody reads it at that moment, so that
 * it may get a few times as long. Never folded in, that of all these jobs would be more than twice this.
 */
const LOG_BYTES = 4 * 1_000 * 8_192;

/** In transactions that are no longer than the pruner's: the log keeps the length of the longest. */
async function addOldJobs({ db }: QueueWorld): Promise<void> {
  for (let from = 0; from < OLD; from += SLICE) {
    await db.batch([
      sql`INSERT INTO jobs (job_id, job_type, payload, status, run_at, finished_at, created_at, updated_at)
        WITH RECURSIVE n (i) AS (SELECT ${from} + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${Math.min(OLD, from + SLICE)}),
          at (i, t) AS (SELECT i, ${now} - 40 * 86400000 + i FROM n)
        SELECT 'old ' || i, 'work', json_object('text', hex(zeroblob(200))), 'completed', t, t, t, t FROM at`,
    ]);
  }
}

/** Prunes in this process, beside the workers; answers the rows of its largest transaction and the longest log it saw. */
async function prune({ db, path }: QueueWorld): Promise<{ most: number; logBytes: number; cleared: unknown }> {
  let most = 0;
  let logBytes = 0;
  const context = {
    progress() {},
    async write(statements: readonly Statement[]) {
      const results = await db.batch(statements);
      most = Math.max(most, ...results.map((rows) => rows.length));
      logBytes = Math.max(logBytes, (await stat(`${path}-wal`)).size);
      return results;
    },
  } as unknown as JobContext;
  const cleared = await maintenanceHandler({ db }, RETENTION).run({}, context);
  return { most, logBytes, cleared };
}

function commitSomething({ db }: QueueWorld): Promise<unknown> {
  return db.batch([sql`UPDATE job_queues SET vt = vt`]);
}

/** Every page of the log is in the file. */
async function isFolded(path: string): Promise<boolean> {
  const [state] = foreignly(path, (connection) => connection.prepare('PRAGMA wal_checkpoint(PASSIVE)').all());
  return state!.busy === 0 && state!.log === state!.checkpointed;
}

test(
  '24: pruning beside claims and reads deletes no live job, a slice at a time, and keeps the log short',
  async () => {
    const world = await createQueueWorld();
    const { db, seen } = world;
    await addOldJobs(world);
    const live = await world.enqueueAll(LIVE, 'short', { ms: 2 });
    const later = await world.enqueue('quick', { delayMs: 86_400_000 });
    // What is old is when a job has ended, not when it was made.
    await db.batch([sql`UPDATE jobs SET created_at = 1, updated_at = 1 WHERE finished_at IS NULL`]);
    await world.startWorker({ concurrency: 4, leaseMs: 5_000 });

    let pruned = false;
    const pruning = prune(world).finally(() => {
      pruned = true;
    });
    let reads = 0;
    while (!pruned) {
      expect((await jobById(db, live[reads++ % LIVE]!)).jobType).toBe('short');
      await nextTurn();
    }
    const { most, logBytes, cleared } = await pruning;

    expect(cleared).toMatchObject({ jobs_by_age: OLD });
    expect(most).toBe(SLICE);
    expect(logBytes).toBeLessThan(LOG_BYTES);
    for (const id of live) expect((await finishedJob(db, id)).status).toBe('completed');
    expect(await jobById(db, later)).toMatchObject({ status: 'pending' });
    expect(await seen('SELECT count(*) AS n FROM jobs')).toEqual([{ n: LIVE + 1 }]);
    await auditExecutions(seen);
  },
  TIME_LIMIT_MS,
);

test(
  '24: a long reader keeps the log from being folded in, and when it has gone the log is short again',
  async () => {
    const world = await createQueueWorld();
    const { db, path, seen } = world;
    await addOldJobs(world);
    const reader = startProcess('read-long.ts', path);
    onTestFinished(() => reader.kill());
    await reader.printed('reading');

    const live = world.enqueueAll(LIVE, 'quick');
    await world.startWorker({ concurrency: 4, leaseMs: 5_000 });
    const { logBytes } = await prune(world);
    for (const id of await live) expect((await finishedJob(db, id)).status).toBe('completed');
    // Nobody waited for the reader, at the price of a log that grows.
    expect(logBytes).toBeGreaterThan(LOG_BYTES);

    reader.child.stdin.end();
    await reader.output();
    // The next commits fold all of it in, and begin the log anew, at its start: it grows no further.
    await waitUntil(async () => {
      await commitSomething(world);
      return isFolded(path);
    }, 'a log that is folded in');
    const before = (await stat(`${path}-wal`)).size;
    await addOldJobs(world);
    await prune(world);
    expect((await stat(`${path}-wal`)).size).toBeLessThan(before + LOG_BYTES);
    await auditExecutions(seen);
  },
  TIME_LIMIT_MS,
);
