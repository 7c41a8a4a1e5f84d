import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { createUser, disableUser } from '../../test/factories.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import { interceptBatches, mentions } from '../../test/harness/intercept.ts';
import { waitUntil } from '../../test/harness/wait-until.ts';
import { finishedJob, jobById, makeDue, startTestWorker, type TestWorkerOptions } from '../../test/harness/worker.ts';
import type { Database, Row } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { AppError } from '../errors/app-error.ts';
import {
  cancelJob,
  type EnqueueRequest,
  enqueueJob,
  GiveUp,
  type JobContext,
  type JobHandler,
  RetryLater,
} from '../jobs/index.ts';
import { PrometheusMetrics, renderMetrics } from '../telemetry/prometheus.ts';

const SYSTEM = { ownerId: null, via: 'system', levelCap: 4, groupId: null } as const;
const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };

type Run = (payload: Record<string, unknown>, context: JobContext) => Promise<Record<string, unknown>>;

async function world() {
  const { db, url, close } = await createTestDatabase();
  const workers: { stop(graceMs?: number): Promise<void> }[] = [];
  onTestFinished(async () => {
    for (const worker of workers) await worker.stop(0);
    await close();
  });
  return {
    db,
    url,
    async enqueue(request: Partial<EnqueueRequest> = {}): Promise<string> {
      const job = enqueueJob({ jobType: 'work', payload: {}, onBehalfOf: SYSTEM, ...request });
      await db.batch(job.statements);
      return job.jobId;
    },
    async work(
      run: Run,
      { typeConcurrency, ...options }: Partial<TestWorkerOptions> & { typeConcurrency?: number } = {},
    ) {
      const handler: JobHandler = { payload: z.record(z.string(), z.unknown()), run: run as JobHandler['run'] };
      if (typeConcurrency !== undefined) handler.concurrency = typeConcurrency;
      const handlers = new Map([['work', handler]]);
      const worker = await startTestWorker({ db, url, handlers, ...options });
      workers.push(worker);
      return worker;
    },
  };
}

/** Answers a batch only after others had time to happen: what the network does to every answer. */
function slowlyAnswering(db: Database): Database {
  return interceptBatches(db, async (statements, run) => {
    const rows = await run(statements);
    await delay(3);
    return rows;
  });
}

/** Claims are the only statements of a cycle that answer payloads. */
function hasClaimed(results: readonly Row[][]): boolean {
  return results.flat().some((row) => 'payload' in row);
}

/** A promise that ends when `signal` aborts, as a well-behaved handler would. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

describe('a worker', () => {
  test('runs each of many short jobs once, also those that end while an answer of the database is on its way', async () => {
    const { db, enqueue, work } = await world();
    const ids: string[] = [];
    for (let i = 0; i < 40; i++) ids.push(await enqueue({ payload: { i } }));
    const runs: unknown[] = [];
    const run: Run = async ({ i }) => {
      runs.push(i);
      await delay(Number(i) % 7);
      return {};
    };
    await work(run, { db: slowlyAnswering(db), concurrency: 4, leaseMs: 3_000 });

    for (const id of ids) expect((await finishedJob(db, id)).status).toBe('completed');
    expect(runs).toHaveLength(40);
    expect(runs.slice(0, 4)).toEqual([0, 1, 2, 3]);
  });

  test('claims by priority, then in the order of arrival', async () => {
    const { db, enqueue, work } = await world();
    const last = await enqueue({ payload: { name: 'late' }, priority: 1 });
    await enqueue({ payload: { name: 'first' } });
    await enqueue({ payload: { name: 'second' } });
    await enqueue({ payload: { name: 'urgent' }, priority: -1 });
    const runs: unknown[] = [];
    await work(async ({ name }) => ({ n: runs.push(name) }), { concurrency: 2 });

    await finishedJob(db, last);

    expect(runs).toEqual(['urgent', 'first', 'second', 'late']);
  });

  test('serves more queues than one statement can name', async () => {
    const { db, enqueue, work } = await world();
    const ids: string[] = [];
    for (let i = 0; i < 520; i++) ids.push(await enqueue({ queue: `queue ${i}` }));
    let count = 0;
    await work(async () => ({ n: ++count }), { concurrency: 16 });

    for (const id of ids) expect((await finishedJob(db, id)).status).toBe('completed');
    expect(count).toBe(520);
  });

  test('sees a job of another connection without being told', async () => {
    const { db, enqueue, work } = await world();
    await work(async () => ({ done: true }));

    const id = await enqueue();

    expect(await finishedJob(db, id)).toMatchObject({ status: 'completed', result: { done: true }, attempts: 1 });
  });

  test('runs a delayed job when its time has come', async () => {
    const { db, enqueue, work } = await world();
    await work(async () => ({}));
    const id = await enqueue({ delayMs: 3_600_000 });
    expect(await jobById(db, id)).toMatchObject({ status: 'pending', startedAt: null });

    await makeDue(db, id);

    expect(await finishedJob(db, id)).toMatchObject({ status: 'completed' });
  });

  test('runs no more jobs at a time than it has slots', async () => {
    const { db, enqueue, work } = await world();
    const ids = [await enqueue(), await enqueue(), await enqueue(), await enqueue(), await enqueue()];
    let running = 0;
    let most = 0;
    const run: Run = async () => {
      most = Math.max(most, ++running);
      await delay(2);
      running--;
      return {};
    };
    await work(run, { concurrency: 2 });

    for (const id of ids) await finishedJob(db, id);

    expect(most).toBe(2);
  });

  test('does not keep asking for jobs of a type that has all its places taken', async () => {
    const { db, enqueue, work } = await world();
    const started = Promise.withResolvers<void>();
    const mayEnd = Promise.withResolvers<void>();
    const ids = [await enqueue(), await enqueue()];
    let looks = 0;
    const watched: Database = {
      ...interceptBatches(db, (statements, run) => run(statements)),
      query: (statement, options) => {
        if (statement.text.includes('jobs_ready')) looks++;
        return db.query(statement, options);
      },
    };
    const run: Run = async () => {
      started.resolve();
      await mayEnd.promise;
      return {};
    };
    await work(run, { db: watched, concurrency: 2, typeConcurrency: 1 });
    await started.promise;

    const before = looks;
    const READS = 100;
    for (let i = 0; i < READS; i++) await db.query(sql`SELECT 1`);

    // One that does not wait looks about as often as the database answers.
    expect(looks - before).toBeLessThan(READS / 4);
    mayEnd.resolve();
    for (const id of ids) expect(await finishedJob(db, id)).toMatchObject({ status: 'completed' });
  });
});

describe('a job that has crashed before', () => {
  /** At once, as a worker would begin a job that has not crashed yet. */
  async function suspect({ db }: Awaited<ReturnType<typeof world>>, name: string): Promise<string> {
    const { jobId, statements } = enqueueJob({ jobType: 'work', payload: { name }, onBehalfOf: SYSTEM });
    await db.batch([...statements, sql`UPDATE jobs SET crashes = 1 WHERE job_id = ${jobId}`]);
    return jobId;
  }

  test('waits until nothing runs beside it, which does not slow down what runs, and nothing is begun beside it', async () => {
    const context = await world();
    const { db, enqueue, work } = context;
    const started = Promise.withResolvers<void>();
    const isSeen = Promise.withResolvers<void>();
    const running = new Set<unknown>();
    const beside: unknown[] = [];
    const run: Run = async ({ name }) => {
      running.add(name);
      started.resolve();
      if (name === 'first') await isSeen.promise;
      // Each turn waits for whatever else goes on in this process.
      for (let turn = 0; turn < 400; turn++) await nextTurn();
      if (running.has('suspect') && running.size > 1) beside.push(...running);
      running.delete(name);
      return {};
    };
    const first = await enqueue({ payload: { name: 'first' } });
    await work(run, { concurrency: 3 });
    await started.promise;
    const alone = await suspect(context, 'suspect');
    const after = await enqueue({ payload: { name: 'after' } });
    isSeen.resolve();

    expect(await finishedJob(db, first)).toMatchObject({ status: 'completed' });
    expect(await finishedJob(db, alone)).toMatchObject({ status: 'completed' });
    expect(await finishedJob(db, after)).toMatchObject({ status: 'completed' });
    expect(beside).toEqual([]);
  });
});

describe('a handler that throws', () => {
  test("is run again, up to the last attempt, whose error is the job's", async () => {
    const { db, enqueue, work } = await world();
    const attempts: number[] = [];
    await work(async (_, context) => {
      attempts.push(context.attempt);
      throw new AppError('provider_unavailable', `attempt ${context.attempt}`);
    });
    const id = await enqueue({ maxAttempts: 3 });

    const job = await finishedJob(db, id);

    expect(attempts).toEqual([1, 2, 3]);
    expect(job).toMatchObject({
      status: 'failed',
      attempts: 3,
      error: { code: 'provider_unavailable', message: 'attempt 3' },
    });
  });

  test('does not show the text of an unknown error', async () => {
    const { db, enqueue, work } = await world();
    await work(async () => {
      throw new Error('secret text of a document');
    });
    const id = await enqueue({ maxAttempts: 1 });

    const job = await finishedJob(db, id);

    expect(job.error).toMatchObject({ code: 'job_failed' });
    expect(JSON.stringify(job)).not.toContain('secret');
  });

  test('fails the job alone where its result cannot be stored, and the worker goes on', async () => {
    const { db, enqueue, work } = await world();
    await work(async ({ n }) => (n === 0 ? { n: 0n } : {}));
    const bad = await enqueue({ payload: { n: 0 }, maxAttempts: 1 });
    const next = await enqueue({ payload: { n: 1 } });

    expect(await finishedJob(db, next)).toMatchObject({ status: 'completed' });
    expect(await finishedJob(db, bad)).toMatchObject({ status: 'failed', error: { code: 'job_failed' } });
  });

  test.each([
    ['GiveUp', () => new GiveUp('provider_unavailable')],
    ['an error that trying again does not help', () => new AppError('pdf_encrypted')],
  ])('%s ends the job at once', async (_, error) => {
    const { db, enqueue, work } = await world();
    await work(async () => {
      throw error();
    });
    const id = await enqueue({ maxAttempts: 5 });

    expect(await finishedJob(db, id)).toMatchObject({ status: 'failed', attempts: 1, error: { retryable: false } });
  });

  test('RetryLater costs no attempt', async () => {
    const { db, enqueue, work } = await world();
    const attempts: number[] = [];
    await work(async (_, context) => {
      if (attempts.push(context.attempt) <= 3) throw new RetryLater(3_600_000);
      return {};
    });
    const id = await enqueue({ maxAttempts: 1 });

    expect(await finishedJob(db, id)).toMatchObject({ status: 'completed', attempts: 1 });
    expect(attempts).toEqual([1, 1, 1, 1]);
  });

  test('waits as long as the provider asked', async () => {
    const { db, enqueue, work } = await world();
    await work(async () => {
      throw new AppError('provider_rate_limited', undefined, { retryAfterSeconds: 7_200 });
    });
    const id = await enqueue();

    const job = await waitUntil(async () => {
      const current = await jobById(db, id);
      return current.attempts === 1 && current.status === 'pending' ? current : null;
    });

    expect(job.runAt - job.updatedAt).toBeGreaterThanOrEqual(7_200_000);
  });
});

describe('a job that cannot run', () => {
  test('since no worker knows its type waits, says so, and holds up nobody', async () => {
    const { db, enqueue, work } = await world();
    const id = await enqueue({ jobType: 'no_such_type' });
    const known = await enqueue();
    await work(async () => ({}));

    expect(await finishedJob(db, known)).toMatchObject({ status: 'completed' });
    expect(await jobById(db, id)).toMatchObject({ status: 'pending', reason: 'no_worker', attempts: 0 });
  });

  test('with a payload its handler does not know fails with job_payload_invalid', async () => {
    const { db, url, enqueue } = await world();
    const handlers = new Map([['work', { payload: z.strictObject({ n: z.number() }), run: async () => ({}) }]]);
    const worker = await startTestWorker({ db, url, handlers: handlers as never });
    onTestFinished(() => worker.stop());
    const id = await enqueue({ payload: { n: 'one' } });

    expect(await finishedJob(db, id)).toMatchObject({ status: 'failed', error: { code: 'job_payload_invalid' } });
  });

  test('for a user who was disabled meanwhile fails with rights_revoked', async () => {
    const { db, enqueue, work } = await world();
    const ada = await createUser(db);
    const id = await enqueue({ onBehalfOf: { ownerId: ada.userId, via: 'session', levelCap: 4, groupId: null } });
    await db.batch([disableUser(ada.userId)]);
    let ran = false;
    await work(async () => {
      ran = true;
      return {};
    });

    expect(await finishedJob(db, id)).toMatchObject({ status: 'failed', error: { code: 'rights_revoked' } });
    expect(ran).toBe(false);
  });
});

describe('a running job', () => {
  test('that is cancelled is told so and ends as cancelled', async () => {
    const { db, enqueue, work } = await world();
    const started = Promise.withResolvers<void>();
    let reason: unknown;
    await work(
      async (_, { signal }) => {
        started.resolve();
        return untilAborted(signal).catch((error) => {
          reason = error;
          throw error;
        });
      },
      { leaseMs: 3_000 },
    );
    const id = await enqueue();
    await started.promise;

    await db.batch(cancelJob(id, EVERYBODY));

    expect(await finishedJob(db, id)).toMatchObject({ status: 'cancelled', attempts: 1 });
    expect(reason).toMatchObject({ code: 'job_cancelled' });
  });

  test('is told when its time is up, and tried again', async () => {
    const { db, enqueue, work } = await world();
    await work((_, { signal }) => untilAborted(signal), { jobTimeoutMs: 5 });
    const id = await enqueue({ maxAttempts: 2 });

    expect(await finishedJob(db, id)).toMatchObject({
      status: 'failed',
      attempts: 2,
      error: { code: 'job_timeout' },
    });
  });

  test('shows the last progress of the stage it is in', async () => {
    const { db, enqueue, work } = await world();
    const mayEnd = Promise.withResolvers<void>();
    await work(async (_, { progress }) => {
      progress('parse', 1, 1);
      progress('embed', 3, 10);
      await mayEnd.promise;
      progress('embed', 7, 10);
      return {};
    });
    const id = await enqueue();
    await waitUntil(async () => (await jobById(db, id)).progress?.done === 3);

    mayEnd.resolve();

    expect((await finishedJob(db, id)).progress).toEqual({ stage: 'embed', done: 7, total: 10 });
  });

  test('writes nothing once another claim has raised the fence', async () => {
    const { db, enqueue, work } = await world();
    const stolen = Promise.withResolvers<void>();
    const outcome = Promise.withResolvers<unknown>();
    const started = Promise.withResolvers<void>();
    const worker = await work(async (_, { write, progress }) => {
      started.resolve();
      await stolen.promise;
      progress('late', 1, 1);
      outcome.resolve(await write([sql`UPDATE jobs SET priority = 99`]).catch((error) => error));
      return { by: 'the first holder' };
    });
    const id = await enqueue();
    await started.promise;

    await db.batch([sql`UPDATE jobs SET fence = fence + 1`]);
    stolen.resolve();

    expect(await outcome.promise).toMatchObject({ code: 'lease_lost' });
    await worker.stop();
    const [row] = await db.query(sql`SELECT status, priority, progress, result FROM jobs WHERE job_id = ${id}`);
    expect(row).toEqual({ status: 'processing', priority: 0, progress: null, result: null });
  });
});

describe('a worker that stops', () => {
  test('lets a running job finish and stores what became of it', async () => {
    const { db, enqueue, work } = await world();
    const started = Promise.withResolvers<void>();
    const mayEnd = Promise.withResolvers<void>();
    const worker = await work(async () => {
      started.resolve();
      await mayEnd.promise;
      return { finished: true };
    });
    const id = await enqueue();
    await started.promise;

    const stopped = worker.stop(20_000);
    mayEnd.resolve();
    await stopped;

    expect(await jobById(db, id)).toMatchObject({ status: 'completed', result: { finished: true } });
  });

  test('stores the outcome of a job that has ended before the others have', async () => {
    const { db, enqueue, work } = await world();
    const started = Promise.withResolvers<void>();
    const slowMayEnd = Promise.withResolvers<void>();
    const quickMayEnd = Promise.withResolvers<void>();
    const run: Run = async ({ slow }) => {
      if (slow) started.resolve();
      await (slow ? slowMayEnd : quickMayEnd).promise;
      return {};
    };
    const quick = await enqueue({ payload: { slow: false } });
    const slow = await enqueue({ payload: { slow: true } });
    const worker = await work(run, { concurrency: 2 });
    await started.promise;

    const stopped = worker.stop(20_000);
    quickMayEnd.resolve();

    expect(await finishedJob(db, quick)).toMatchObject({ status: 'completed' });
    expect(await jobById(db, slow)).toMatchObject({ status: 'processing' });
    slowMayEnd.resolve();
    await stopped;
    expect(await jobById(db, slow)).toMatchObject({ status: 'completed' });
  });

  test('gives back what does not end in time, with the attempt refunded, and claims nothing more', async () => {
    const { db, enqueue, work } = await world();
    const started = Promise.withResolvers<void>();
    let reason: unknown;
    const worker = await work(async (_, { signal }) => {
      started.resolve();
      return untilAborted(signal).catch((error) => {
        reason = error;
        throw error;
      });
    });
    const running = await enqueue();
    const waiting = await enqueue();
    await started.promise;

    await worker.stop(0);

    const rows = await db.query(sql`SELECT job_id, status, wait, attempts, crashes FROM jobs ORDER BY seq`);
    const free = { status: 'pending', wait: null, attempts: 0, crashes: 0 };
    expect(rows).toEqual([
      { job_id: running, ...free },
      { job_id: waiting, ...free },
    ]);
    expect(reason).toMatchObject({ code: 'lease_lost' });
    expect(await db.query(sql`SELECT * FROM workers`)).toEqual([]);
  });

  test('gives back what a claim brings after it was told to stop', async () => {
    const { db, enqueue, work } = await world();
    const claimed = Promise.withResolvers<void>();
    const mayAnswer = Promise.withResolvers<void>();
    const held = interceptBatches(db, async (statements, run) => {
      const rows = await run(statements);
      if (hasClaimed(rows)) {
        claimed.resolve();
        await mayAnswer.promise;
      }
      return rows;
    });
    let ran = false;
    const run: Run = async () => {
      ran = true;
      return {};
    };
    const worker = await work(run, { db: held });
    const id = await enqueue();
    await claimed.promise;

    const stopped = worker.stop(0);
    mayAnswer.resolve();
    await stopped;

    expect(await jobById(db, id)).toMatchObject({ status: 'pending', attempts: 0 });
    expect(ran).toBe(false);
  });
});

describe('a database that fails', () => {
  test('for a while costs no job and no outcome', async () => {
    const { db, enqueue, work } = await world();
    let failures = 0;
    const flaky: Database = {
      ...interceptBatches(db, async (statements, run) => {
        if (mentions(statements, /'completed'/) && failures < 1) {
          failures++;
          throw new AppError('database_busy');
        }
        return run(statements);
      }),
      async query(...args) {
        if (failures === 1) {
          failures++;
          throw new AppError('database_busy');
        }
        return db.query(...args);
      },
    };
    let runs = 0;
    const run: Run = async () => ({ run: ++runs });
    await work(run, { db: flaky });
    const id = await enqueue();

    expect(await finishedJob(db, id)).toMatchObject({ status: 'completed', result: { run: 1 }, attempts: 1 });
    expect(failures).toBe(2);
  });

  test('whose answer to a claim is lost gives the claimed job back at the next beat', async () => {
    const { db, enqueue, work } = await world();
    let lost = 0;
    const server = interceptBatches(db, async (statements, run) => {
      const rows = await run(statements);
      if (hasClaimed(rows) && lost++ === 0) throw new AppError('database_unavailable');
      return rows;
    });
    const flaky: Database = { ...server, path: null };
    await work(async (_, { attempt }) => ({ attempt }), { db: flaky, leaseMs: 3_000 });
    const id = await enqueue();

    expect(await finishedJob(db, id)).toMatchObject({ status: 'completed', result: { attempt: 1 }, attempts: 1 });
    expect(lost).toBe(2);
  });
});

test('claims, outcomes, times, waits and retries are measured by type', async () => {
  const { enqueue, work, db } = await world();
  const metrics = new PrometheusMetrics({ onFailed: (error) => expect(error).toBeUndefined() });
  const worker = await work(
    async ({ fail }, { attempt }) => {
      if (fail === true && attempt === 1) throw new AppError('provider_unavailable');
      if (fail === 'always') throw new GiveUp('validation_failed');
      return {};
    },
    { metrics },
  );
  for (const payload of [{}, { fail: true }, { fail: 'always' }]) await finishedJob(db, await enqueue({ payload }));
  await worker.stop();
  const { text } = await renderMetrics([{ process: 'worker', metrics: await metrics.snapshot() }], 'text');
  const outcome = (name: string) =>
    text.match(new RegExp(`anyrag_job_outcomes_total{process="worker",job_type="work",outcome="${name}"} (\\d+)`))?.[1];
  expect([outcome('completed'), outcome('retry'), outcome('failed')]).toEqual(['2', '1', '1']);
  expect(text).toContain('anyrag_job_claims_total{process="worker",job_type="work"} 4');
  expect(text).toContain('anyrag_job_wait_seconds_count{process="worker",job_type="work"} 4');
  expect(text).toContain('anyrag_job_duration_seconds_count{process="worker",job_type="work",outcome="completed"} 2');
});
