import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { queueOn, type TestQueue } from '../../test/harness/queue.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { cancelJob, retryJob } from './control/queries.ts';
import type { ClaimedJob, JobError, Outcome } from './job.ts';
import { promoteDueJobs, releaseLost } from './queries.ts';

const STEPS = Number(process.env.QUEUE_STEPS ?? 2_000);
const SEED = Number(process.env.QUEUE_SEED ?? 20_261_125);
const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };
const ERROR: JobError = { code: 'job_failed', message: '', retryable: true };
/** By key. A key without a limit is none. */
const LIMITS: Record<string, number> = { one: 1, two: 2, five: 5 };
const WORKERS = ['a', 'b'];

type Step =
  | { do: 'enqueue'; key: string | null; delayed: boolean; rated: boolean; priority: number }
  | { do: 'claim'; worker: string; limit: number }
  | { do: 'settle'; pick: number; outcome: Outcome['kind'] }
  | { do: 'cancel' | 'retry' | 'delete'; pick: number }
  | { do: 'promote' | 'openRates' }
  | { do: 'die' | 'losesAnswer'; worker: string };

const pick = fc.nat({ max: 1_000 });
const worker = fc.constantFrom(...WORKERS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('enqueue' as const),
      key: fc.constantFrom(null, ...Object.keys(LIMITS)),
      delayed: fc.boolean(),
      rated: fc.boolean(),
      priority: fc.integer({ min: -1, max: 1 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('claim' as const), worker, limit: fc.integer({ min: 1, max: 4 }) }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      pick,
      outcome: fc.constantFrom('completed', 'failed', 'retry', 'released', 'crashed', 'cancelled', 'parked'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('cancel', 'retry', 'delete'), pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('promote', 'openRates') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('die', 'losesAnswer'), worker }) },
);

/** The queue and the claims that workers believe to hold. */
interface World {
  db: Database;
  queue: TestQueue;
  ids: string[];
  held: { worker: string; job: ClaimedJob }[];
}

async function take(world: World, action: Step): Promise<void> {
  const { queue, held } = world;
  switch (action.do) {
    case 'enqueue': {
      const { key, delayed, rated, priority } = action;
      const limit = key === null ? {} : { limit: { key, max: LIMITS[key]! } };
      const rate = rated ? { rate: { key: `rate ${key}`, intervalMs: 60_000 } } : {};
      world.ids.push(await queue.enqueue({ ...limit, ...rate, priority, delayMs: delayed ? 60_000 : 0 }));
      return;
    }
    case 'claim': {
      const jobs = await queue.claim(action.worker, action.limit);
      held.push(...jobs.map((job) => ({ worker: action.worker, job })));
      return;
    }
    case 'settle': {
      // A stale claim settles nothing, which is part of what is tested.
      const [claim] = held.splice(action.pick % Math.max(1, held.length), 1);
      if (claim !== undefined) await queue.settle(claim.job, outcomeOf(action.outcome));
      return;
    }
    case 'cancel':
    case 'retry': {
      const change = action.do === 'cancel' ? cancelJob : retryJob;
      const id = world.ids[action.pick % Math.max(1, world.ids.length)];
      if (id !== undefined) await queue.run(...change(id, EVERYBODY)).catch(refusedAsItShould);
      return;
    }
    case 'delete': {
      // As the account of its owner is erased.
      const [id] = world.ids.splice(action.pick % Math.max(1, world.ids.length), 1);
      if (id !== undefined) await queue.run(sql`DELETE FROM jobs WHERE job_id = ${id}`);
      return;
    }
    case 'promote':
      return queue.passTime();
    case 'openRates':
      await queue.run(sql`UPDATE job_rates SET due_at = 0`);
      return;
    case 'die':
      await queue.die(action.worker);
      await queue.run(sql`DELETE FROM workers WHERE worker_id = ${action.worker}`);
      return queue.register(action.worker);
    case 'losesAnswer': {
      world.held = held.filter((claim) => claim.worker !== action.worker);
      const lost = held.filter((claim) => claim.worker === action.worker);
      await queue.run(releaseLost(lost.map(({ job }) => job)), promoteDueJobs());
      return;
    }
  }
}

function outcomeOf(kind: Outcome['kind']): Outcome {
  switch (kind) {
    case 'completed':
      return { kind, result: {} };
    case 'failed':
    case 'crashed':
      return { kind, error: ERROR };
    case 'retry':
      return { kind, error: ERROR, delayMs: 1_000 };
    case 'released':
      return { kind, delayMs: 0 };
    case 'parked':
    case 'cancelled':
      return { kind };
  }
}

function refusedAsItShould(error: Error): void {
  if (!/job_state_conflict/.test(error.message)) throw error;
}

/** Of each key: how many run, how many are let in (running, runnable or waiting for their rate), how many stand outside. */
async function assertLimits(db: Database, after: string): Promise<void> {
  const rows = await db.query<{ key: string; running: number; admitted: number; outside: number }>(sql`
    SELECT limit_key AS key, sum(status = 'processing') AS running,
      sum(status = 'processing' OR (status = 'pending' AND (wait IS NULL OR wait = 'rate'))) AS admitted,
      sum(status = 'pending' AND wait IS 'key') AS outside
    FROM jobs WHERE limit_key IS NOT NULL GROUP BY 1`);
  for (const { key, running, admitted, outside } of rows) {
    const max = LIMITS[key]!;
    expect(running, `running with the key ${key} after ${after}`).toBeLessThanOrEqual(max);
    expect(admitted, `let in with the key ${key} after ${after}`).toBeLessThanOrEqual(max);
    if (outside > 0) expect(admitted, `a free place of the key ${key} after ${after}`).toBe(max);
  }
}

describe('the limit of a key', () => {
  test('18: holds after every step of any history, and no job waits beside a free place', async () => {
    const runLength = Math.min(250, STEPS);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: runLength, maxLength: runLength, size: 'max' }), async (steps) => {
        const { db, close } = await createTestDatabase();
        try {
          const world: World = { db, queue: queueOn(db), ids: [], held: [] };
          for (const name of WORKERS) await world.queue.register(name);
          for (const [index, action] of steps.entries()) {
            await take(world, action);
            await assertLimits(db, `step ${index} ${JSON.stringify(action)}`);
          }
        } finally {
          await close();
        }
      }),
      { numRuns: Math.ceil(STEPS / runLength), seed: SEED, endOnFailure: true },
    );
  }, 600_000);

  test('lets the best of those outside in next', async () => {
    const { db, close } = await createTestDatabase();
    const queue = queueOn(db);
    await queue.register('w');
    const limit = { key: 'k', max: 1 };
    const [first, normal, urgent] = await queue.enqueueAll([{ limit }, { limit }, { limit, priority: -1 }]);
    const order: string[] = [];
    for (let i = 0; i < 3; i++) {
      const [job, ...others] = await queue.claim('w');
      expect(others).toEqual([]);
      order.push(job!.jobId);
      await queue.settle(job!, { kind: 'completed', result: {} });
    }

    expect(order).toEqual([first, urgent, normal]);
    await close();
  });

  test('is none for jobs with other keys', async () => {
    const { db, close } = await createTestDatabase();
    const queue = queueOn(db);
    await queue.register('w');
    await queue.enqueueAll(['a', 'b', 'c', 'a'].map((key) => ({ limit: { key, max: 1 } })));

    expect(await queue.claim('w')).toHaveLength(3);
    await close();
  });
});
