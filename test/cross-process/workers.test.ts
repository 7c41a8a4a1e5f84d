import { beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { cancelJob, enqueueJob } from '../../src/jobs/index.ts';
import { createTestDatabase } from '../harness/database.ts';
import { waitUntil } from '../harness/wait-until.ts';
import { finishedJob, jobById, makeDue } from '../harness/worker.ts';
import { startWorkerProcess, type WorkerProcess } from './start-worker.ts';

const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };

let db: Database;
let path: string;
let started: WorkerProcess[];

beforeEach(async () => {
  const created = await createTestDatabase();
  ({ db, path } = created);
  started = [];
  return async () => {
    for (const worker of started) worker.signal('SIGKILL');
    await Promise.all(started.map((worker) => worker.ended()));
    await created.close();
  };
});

async function startWorker(settings: Parameters<typeof startWorkerProcess>[1] = {}): Promise<WorkerProcess> {
  const worker = await startWorkerProcess(path, settings);
  started.push(worker);
  return worker;
}

async function enqueue(run: string, options: { ms?: number; maxAttempts?: number } = {}): Promise<string> {
  const job = enqueueJob({
    jobType: 'work',
    payload: { run, ms: options.ms ?? 0 },
    onBehalfOf: { ownerId: null, via: 'system', levelCap: 4, groupId: null },
    maxAttempts: options.maxAttempts ?? 20,
  });
  await db.batch(job.statements);
  return job.jobId;
}

async function crashesOf(jobId: string): Promise<unknown> {
  return (await db.query(sql`SELECT crashes FROM jobs WHERE job_id = ${jobId}`))[0]!.crashes;
}

/** Its delay passes at once, as soon as somebody has rescued it. */
async function rescued(jobId: string): Promise<void> {
  await waitUntil(async () => (await crashesOf(jobId)) !== 0, 'the rescue');
  await makeDue(db, jobId);
}

describe('a worker that is killed', () => {
  test('loses its job to another one, which completes it', async () => {
    const doomed = await startWorker();
    const jobId = await enqueue('wait');
    await doomed.started(jobId);
    const heir = await startWorker();

    doomed.signal('SIGKILL');
    await rescued(jobId);
    await heir.started(jobId);
    heir.go();

    expect(await finishedJob(db, jobId)).toMatchObject({
      status: 'completed',
      result: { pid: heir.pid },
      attempts: 2,
    });
    expect(await crashesOf(jobId)).toBe(1);
  });

  test('by its job each time costs three lives, and then the job has failed', async () => {
    const jobId = await enqueue('die');
    for (let life = 1; life <= 3; life++) {
      const victim = await startWorker();
      if (life > 1) await rescued(jobId);
      expect(await victim.ended()).toBe('SIGKILL');
      if (life < 3) await db.batch([sql`UPDATE workers SET lease_until = 0`]);
    }
    await startWorker();

    expect(await finishedJob(db, jobId)).toMatchObject({ status: 'failed', error: { code: 'worker_lost' } });
    expect(await crashesOf(jobId)).toBe(3);
  });

  test('again and again while others work costs no job and doubles none', async () => {
    await db.batch([sql`CREATE TABLE effects (job_id TEXT, attempt INTEGER)`]);
    const ids: string[] = [];
    for (let i = 0; i < 150; i++) ids.push(await enqueue('count'));
    const blockers = [await enqueue('block', { ms: 200 }), await enqueue('block', { ms: 200 })];
    const settings = { leaseMs: 600, concurrency: 4 };
    await startWorker(settings);
    for (let kills = 0; kills < 3; kills++) {
      const replacement = startWorker(settings);
      started.at(-1)!.signal('SIGKILL');
      await replacement;
    }

    for (const id of [...ids, ...blockers]) expect((await finishedJob(db, id)).status).toBe('completed');

    const rows = await db.query<{ n: number }>(
      sql`SELECT count(*) AS n FROM jobs WHERE status = 'completed' AND crashes < attempts`,
    );
    expect(rows[0]!.n).toBe(ids.length + blockers.length);
    expect(
      await db.query(sql`SELECT count(DISTINCT job_id) AS jobs, count(DISTINCT job_id || attempt) = count(*) AS once
      FROM effects`),
    ).toEqual([{ jobs: ids.length, once: 1 }]);
    expect(await db.query(sql`PRAGMA integrity_check`)).toEqual([{ integrity_check: 'ok' }]);
  });
});

describe('a worker that stands still for longer than its lease', () => {
  test('does not finish the job that another one has taken over, and goes on under a new lease', async () => {
    const sleeper = await startWorker();
    const jobId = await enqueue('wait');
    await sleeper.started(jobId);
    sleeper.signal('SIGSTOP');
    const heir = await startWorker();
    await rescued(jobId);
    await heir.started(jobId);

    sleeper.go();
    sleeper.signal('SIGCONT');
    await waitUntil(() => sleeper.logged('worker.lease_lost'), 'the loss of the lease');
    expect(await jobById(db, jobId)).toMatchObject({ status: 'processing' });
    heir.go();

    const job = await finishedJob(db, jobId);
    expect(job).toMatchObject({ status: 'completed', result: { pid: heir.pid }, attempts: 2 });
    heir.signal('SIGTERM');
    await heir.ended();
    const next = await enqueue('block');
    expect(await finishedJob(db, next)).toMatchObject({ result: { pid: sleeper.pid }, attempts: 1 });
    expect(await jobById(db, jobId)).toEqual(job);
  });
});

describe('a handler that blocks the event loop for longer than the lease', () => {
  test('does not lose its job: the lease is extended by a thread of its own', async () => {
    const busy = await startWorker();
    const jobId = await enqueue('block', { ms: 1_500 });
    await busy.started(jobId);
    const idle = await startWorker();

    expect(await finishedJob(db, jobId)).toMatchObject({ status: 'completed', attempts: 1, result: { pid: busy.pid } });
    expect(await crashesOf(jobId)).toBe(0);
    expect(idle.hasStarted(jobId)).toBe(false);
  });
});

describe('SIGTERM', () => {
  test('lets a running job end, takes no other, and ends the process with 0', async () => {
    const worker = await startWorker();
    const running = await enqueue('wait');
    const waiting = await enqueue('wait');
    await worker.started(running);

    worker.signal('SIGTERM');
    await worker.stopping();
    worker.go();

    expect(await worker.ended()).toBe(0);
    expect(await jobById(db, running)).toMatchObject({ status: 'completed' });
    expect(await jobById(db, waiting)).toMatchObject({ status: 'pending', attempts: 0, startedAt: null });
    expect(await db.query(sql`SELECT worker_id FROM workers`)).toEqual([]);
  });

  test('gives back what does not end in time, with its attempt, for another worker to take at once', async () => {
    const worker = await startWorker({ graceMs: 50 });
    const jobId = await enqueue('wait', { maxAttempts: 1 });
    await worker.started(jobId);

    worker.signal('SIGTERM');

    expect(await worker.aborted(jobId)).toBe('lease_lost');
    expect(await worker.ended()).toBe(0);
    expect(await jobById(db, jobId)).toMatchObject({ status: 'pending', attempts: 0 });
    const heir = await startWorker();
    await heir.started(jobId);
    heir.go();
    expect(await finishedJob(db, jobId)).toMatchObject({ status: 'completed', attempts: 1 });
  });

  test('twice ends the process at once', async () => {
    const worker = await startWorker();
    const jobId = await enqueue('wait');
    await worker.started(jobId);

    worker.signal('SIGTERM');
    await worker.stopping();
    worker.signal('SIGTERM');

    expect(await worker.ended()).toBe(1);
  });
});

describe('cancelling', () => {
  test('reaches the handler in another process', async () => {
    const worker = await startWorker();
    const jobId = await enqueue('wait');
    await worker.started(jobId);

    await db.batch(cancelJob(jobId, EVERYBODY));

    expect(await worker.aborted(jobId)).toBe('job_cancelled');
    expect(await finishedJob(db, jobId)).toMatchObject({ status: 'cancelled' });
  });
});
