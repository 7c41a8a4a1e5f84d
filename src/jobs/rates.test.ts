import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { queueOn, type TestQueue } from '../../test/harness/queue.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { pauseJobs } from './control/queries.ts';
import { selectRunnable } from './queries.ts';

const SEED = Number(process.env.QUEUE_SEED ?? 20_261_125);

let db: Database;
let queue: TestQueue;
/** How far the test has moved the time of the rates on, in milliseconds. */
let moved: number;

beforeEach(async () => {
  const created = await createTestDatabase();
  db = created.db;
  queue = queueOn(db);
  moved = 0;
  await queue.register('a');
  await queue.register('b');
  return created.close;
});

/** To a rate it is the same whether time goes on or its own instants go back. */
async function pass(ms: number): Promise<void> {
  moved += ms;
  await queue.run(sql`UPDATE job_rates SET due_at = due_at - ${ms}`);
}

/** Claims once with each worker; answers when the jobs started, by the database's clock and what was moved. */
async function starts(workers = ['a', 'b']): Promise<number[]> {
  const claims = await Promise.all(workers.map((worker) => queue.claim(worker, 4)));
  const ids = claims.flat().map(({ jobId }) => jobId);
  const rows = await db.query<{ at: number }>(
    sql`SELECT started_at AS at FROM jobs WHERE job_id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))`,
  );
  return rows.map(({ at }) => at + moved);
}

/** The most starts in any stretch of time that long. */
function mostWithin(instants: readonly number[], ms: number): number {
  const sorted = instants.toSorted((a, b) => a - b);
  return Math.max(0, ...sorted.map((from) => sorted.filter((at) => at >= from && at <= from + ms).length));
}

describe('a rate', () => {
  test.each([1, 3])('with a burst of %i lets no more jobs start in any stretch of time than it says', async (burst) => {
    const intervalMs = 10_000;
    const history = fc.array(fc.integer({ min: 0, max: 3 * intervalMs }), { minLength: 60, maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(history, async (steps) => {
        await queue.run(sql`DELETE FROM jobs`, sql`DELETE FROM job_rates`);
        await queue.enqueueAll(
          steps.flatMap(() => [1, 2, 3, 4].map(() => ({ rate: { key: 'r', intervalMs, burst } }))),
        );
        const seen: number[] = [];
        for (const ms of steps) {
          seen.push(...(await starts()));
          await pass(ms);
        }
        for (const intervals of [1, 2, 5, 20, 60]) {
          const most = mostWithin(seen, intervals * intervalMs - 1);
          expect(most, `within ${intervals} intervals`).toBeLessThan(burst + intervals);
        }
        // It is no slower than it says either: some of the time was too short for a start, none was wasted.
        expect(seen.length).toBeGreaterThanOrEqual(steps.filter((ms) => ms >= intervalMs).length);
      }),
      { numRuns: 3, seed: SEED, endOnFailure: true },
    );
  });

  test('lets a burst start at once after a pause, then one an interval', async () => {
    const rate = { key: 'r', intervalMs: 10_000, burst: 3 };
    await queue.enqueueAll(Array.from({ length: 10 }, () => ({ rate })));
    const claims = async () => (await Promise.all([starts(['a']), starts(['b']), starts(['a']), starts(['b'])])).flat();

    expect(await claims()).toHaveLength(3);
    await pass(9_000);
    expect(await claims()).toHaveLength(0);
    await pass(1_000);
    expect(await claims()).toHaveLength(1);
    await pass(100_000);
    expect(await claims()).toHaveLength(3);
  });

  test('counts a start that fails, and one that is given back', async () => {
    const rate = { key: 'r', intervalMs: 10_000 };
    await queue.enqueueAll([{ rate }, { rate }]);
    const [job] = await queue.claim('a');
    await queue.settle(job!, { kind: 'released', delayMs: 0 });
    expect(await queue.claim('a')).toEqual([]);

    await pass(10_000);
    expect((await queue.claim('a')).map(({ jobId }) => jobId)).toEqual([job!.jobId]);
  });

  test('of one key does not hold up another', async () => {
    const rate = (key: string) => ({ rate: { key, intervalMs: 10_000 } });
    await queue.enqueueAll([rate('r'), rate('r'), rate('s'), {}]);

    expect(await queue.claim('a')).toHaveLength(3);
    expect(await queue.claim('a')).toHaveLength(0);
  });

  test('lets one start at a time over all queues and types, the best first', async () => {
    const rate = { key: 'r', intervalMs: 10_000 };
    const [, urgent] = await queue.enqueueAll([
      { rate },
      { rate, queue: 'q', priority: -1 },
      { rate, jobType: 'other' },
    ]);

    expect((await queue.claim('a')).map(({ jobId }) => jobId)).toEqual([urgent]);
  });

  test('is not held up by a job of a line that is paused or that others serve', async () => {
    const rate = { key: 'r', intervalMs: 10_000 };
    const [, mine] = await queue.enqueueAll([
      { rate, priority: -1 },
      { rate, jobType: 'mine' },
    ]);

    expect(await selectRunnable(db, null, ['mine'])).toMatchObject({
      lines: [{ queue: 'default', jobType: 'mine' }],
      rated: true,
    });
    await queue.run(pauseJobs('default', 'work'));
    expect((await queue.claim('a')).map(({ jobId }) => jobId)).toEqual([mine]);
  });

  test('whose time has not come gives a worker nothing to look for', async () => {
    const rate = { key: 'r', intervalMs: 10_000 };
    await queue.enqueueAll([{ rate }, { rate }]);
    await queue.claim('a');

    expect(await selectRunnable(db, null, ['work'])).toMatchObject({ lines: [], rated: false });
    await pass(10_000);
    expect(await selectRunnable(db, null, ['work'])).toMatchObject({ rated: true });
  });
});
