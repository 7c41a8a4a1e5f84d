import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import type { Database, Row, Statement } from '../../src/db/database.ts';
import { openFileDatabase } from '../../src/db/file-database.ts';
import type { RemoteDatabaseOptions } from '../../src/db/remote-database.ts';
import { sql } from '../../src/db/sql.ts';
import { claimJobs, enqueueJob, type JobHandler, settleJobs, toClaimedJob } from '../../src/jobs/index.ts';
import { readElsewhere, startProcess } from '../database-processes/start.ts';
import { createServedDatabase, type ServedDatabase } from '../harness/database.ts';
import { auditExecutions } from '../harness/execution-log.ts';
import { queueOn } from '../harness/queue.ts';
import { waitUntil } from '../harness/wait-until.ts';
import { finishedJob, startTestWorker, type TestWorkerOptions } from '../harness/worker.ts';
import { createQueueWorld } from '../harness/worker-process.ts';
import type { Fault } from '../hrana-server/faults.ts';
import type { HranaServerOptions } from '../hrana-server/server.ts';

// What a network does to a queue on a database server. The numbers are those of the list in docs/jobs.md.

const SYSTEM = { ownerId: null, via: 'system', levelCap: 4, groupId: null } as const;
const KILLS = Number(process.env.QUEUE_REMOTE_KILLS ?? 3);
const JOBS = 100 + KILLS * 50;
/** Kept on a busy machine as well: who loses it has crashed, which is not what these tests are about. */
const LEASE_MS = 12_000;
const LINE = [{ queue: 'default', jobType: 'work' }];

/** What the statements of the queue are known by. */
const CLAIM = /SET status = 'processing'/;
const COMPLETE = /SET status = 'completed'/;
const ENQUEUE = /INSERT INTO jobs /;
const BEAT = /UPDATE workers SET lease_until/;
const GIVE_BACK = /claim_lost/;

async function served(
  server: Partial<HranaServerOptions> = {},
  client: Partial<RemoteDatabaseOptions> = {},
): Promise<ServedDatabase> {
  const database = await createServedDatabase(server, { readRetryPausesMs: [1, 1, 1], ...client });
  onTestFinished(database.close);
  return database;
}

function job(jobType = 'work') {
  return enqueueJob({ jobType, payload: {}, onBehalfOf: SYSTEM });
}

async function work(database: ServedDatabase, handler: JobHandler['run'], options: Partial<TestWorkerOptions> = {}) {
  const handlers = new Map([['work', { payload: z.record(z.string(), z.unknown()), run: handler } as JobHandler]]);
  // Of its own, so that what the tests ask for meets none of its silence.
  const db = await database.openAnother({ requestTimeoutMs: 500 });
  const worker = await startTestWorker({ db, url: database.url, handlers, ...options });
  onTestFinished(() => worker.stop(0));
  return worker;
}

/** A foreign process gets the write lock of the file, so nobody holds it. */
async function assertLockIsFree(path: string): Promise<void> {
  const holder = startProcess('hold-lock.ts', path);
  await holder.printed('locked');
  holder.child.stdin.end();
  await holder.output();
}

describe.each(['file', 'server'])('6: the first statement after a BUSY (%s)', (driver) => {
  async function openWith(busyTimeoutMs: number): Promise<{ db: Database; path: string }> {
    const { path, openAnother } = await served();
    if (driver === 'server') return { db: await openAnother({ busyTimeoutMs }), path };
    const db = await openFileDatabase({ path, durability: 'normal', busyTimeoutMs });
    onTestFinished(() => db.close());
    return { db, path };
  }

  test('is committed, and leaves the write lock free', async () => {
    const { db, path } = await openWith(30);
    const holder = startProcess('hold-lock.ts', path);
    await holder.printed('locked');
    await expect(db.batch(job().statements)).rejects.toMatchObject({ code: 'database_busy' });
    holder.child.stdin.end();
    await holder.output();

    const { jobId, statements } = job();
    await db.batch(statements);

    expect(await readElsewhere(path, 'SELECT job_id FROM jobs')).toEqual([{ job_id: jobId }]);
    await assertLockIsFree(path);
  });

  test('that waited for the lock is committed once', async () => {
    const { db, path } = await openWith(20_000);
    const holder = startProcess('hold-lock.ts', path);
    await holder.printed('locked');
    const { jobId, statements } = job();
    const waiting = db.batch(statements);
    holder.child.stdin.end();
    await waiting;

    expect(await readElsewhere(path, 'SELECT job_id FROM jobs')).toEqual([{ job_id: jobId }]);
    await assertLockIsFree(path);
  });
});

const LOST_ANSWERS: [name: string, fault: Fault][] = [
  ['the connection breaks', { kind: 'drop_answer' }],
  ['a proxy answers 502', { kind: 'status', status: 502, isRun: true }],
  ['the request arrives twice', { kind: 'duplicate' }],
  ['the request arrives twice and the connection stays silent', { kind: 'half_open', isRun: true }],
];

describe.each(LOST_ANSWERS.slice(0, 3))('7: with worker processes, when %s', (_, fault) => {
  test.each([
    ['claim', CLAIM],
    ['completion', COMPLETE],
  ])(
    'instead of the answer to a %s, no job is stuck, none ends twice, and none loses an attempt',
    async (_, pattern) => {
      const database = await createServedDatabase();
      const world = await createQueueWorld(database);
      database.faults.when(pattern, fault, fault);
      const ids = await world.enqueueAll(20, 'quick');
      const workers = [
        await world.startWorker({ concurrency: 4, leaseMs: LEASE_MS }),
        await world.startWorker({ concurrency: 4, leaseMs: LEASE_MS }),
      ];

      for (const id of ids) expect(await finishedJob(world.db, id)).toMatchObject({ status: 'completed', attempts: 1 });
      if (pattern === COMPLETE && fault.kind !== 'duplicate') {
        // Nobody has taken anything over, and nobody is told so.
        for (const worker of workers) expect(worker.log.map(({ event }) => event)).not.toContain('job.stale_outcome');
      }
      expect(database.faults.left).toBe(0);
      expect(await world.seen('SELECT job_id FROM effects GROUP BY job_id HAVING count(*) <> 1')).toEqual([]);
      expect(await world.seen("SELECT count(*) AS n FROM jobs WHERE status = 'processing'")).toEqual([{ n: 0 }]);
      await auditExecutions(world.seen);
    },
  );
});

/** Every so many requests of a worker each, so that they meet all kinds of work. */
const BAD_DAYS: [every: number, fault: Fault][] = [
  [7, { kind: 'drop_answer' }],
  [11, { kind: 'duplicate' }],
  [13, { kind: 'status', status: 502 }],
  [17, { kind: 'drop_before' }],
];

test('1, 7, 8: workers killed at random on a network that loses answers and requests lose no job and end none twice', async () => {
  const database = await createServedDatabase();
  const world = await createQueueWorld(database);
  const ids = await world.enqueueAll(JOBS, 'short', { ms: 5 });
  await world.db.batch([sql`UPDATE jobs SET max_attempts = 1000`]);
  let requests = 0;
  database.faults.always((text) => {
    if (!CLAIM.test(text) && !COMPLETE.test(text) && !/INSERT INTO effects/.test(text)) return null;
    requests++;
    return BAD_DAYS.find(([every]) => requests % every === 0)?.[1] ?? null;
  });
  const start = () => world.startWorker({ concurrency: 4, leaseMs: 2_000 });
  const workers = await Promise.all([start(), start(), start()]);
  for (let kills = 0; kills < KILLS; kills++) {
    workers.shift()!.signal('SIGKILL');
    workers.push(await start());
  }
  await waitUntil(
    async () => {
      await world.db.batch([sql`UPDATE jobs SET run_at = 0 WHERE status = 'pending' AND wait = 'time'`]);
      const [row] = await world.db.query<{ n: number }>(sql`SELECT count(*) AS n FROM jobs WHERE finished_at IS NULL`);
      return row!.n === 0;
    },
    'the end of all jobs',
    100_000,
  );

  // A job whose workers were killed three times is given up, as it should be.
  const ended = await world.seen('SELECT status, count(*) AS n FROM jobs WHERE crashes < 3 GROUP BY status');
  expect(ended.map(({ status }) => status)).toEqual(['completed']);
  expect(await world.seen('SELECT count(*) AS n FROM jobs')).toEqual([{ n: ids.length }]);
  expect(
    await world.seen(`SELECT job_id FROM jobs WHERE status = 'completed'
      AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.job_id = jobs.job_id)`),
  ).toEqual([]);
  await auditExecutions(world.seen);
}, 300_000);

describe.each(LOST_ANSWERS)('7: when %s', (_, fault) => {
  test('instead of the answer to a claim, the claim is given back with its attempt and made again', async () => {
    const database = await served();
    database.faults.when(CLAIM, fault);
    await work(database, async (_, { attempt }) => ({ attempt }), { leaseMs: LEASE_MS });
    const { jobId, statements } = job();
    await database.db.batch(statements);

    expect(await finishedJob(database.db, jobId)).toMatchObject({ status: 'completed', attempts: 1 });
    expect(database.faults.left).toBe(0);
  });

  test('instead of the answer to an enqueue, sending it again adds no second job', async () => {
    const { db, faults, openAnother, path } = await served();
    const client = await openAnother({ requestTimeoutMs: 100 });
    const { jobId, statements } = enqueueJob({
      jobType: 'work',
      payload: { long: 'x'.repeat(5_000) },
      onBehalfOf: SYSTEM,
    });
    faults.when(ENQUEUE, fault);
    await client.batch(statements).catch((error) => expect(error).toMatchObject({ code: 'database_unavailable' }));

    await client.batch(statements);

    expect(await readElsewhere(path, 'SELECT job_id FROM jobs')).toEqual([{ job_id: jobId }]);
    expect(await db.query(sql`SELECT kind FROM job_blobs`)).toEqual([{ kind: 'payload' }]);
  });

  test('instead of the answer to a beat, the lease goes on', async () => {
    const database = await served();
    const goOn = Promise.withResolvers<void>();
    const worker = await work(
      database,
      async () => {
        await goOn.promise;
        return {};
      },
      { leaseMs: LEASE_MS },
    );
    const { workerId } = worker.lease;
    const { jobId, statements } = job();
    await database.db.batch(statements);
    await waitUntil(async () => (await statusOf(database.db, jobId)) === 'processing');
    database.faults.when(BEAT, fault);
    await waitUntil(() => database.faults.left === 0);
    const until = await leaseUntil(database.db);
    await waitUntil(async () => (await leaseUntil(database.db)) > until, 'the next beat');
    goOn.resolve();

    expect(await finishedJob(database.db, jobId)).toMatchObject({ status: 'completed', attempts: 1 });
    expect(worker.lease.workerId).toBe(workerId);
  });
});

describe('7: a request that the network brings late', () => {
  test('claims nothing for good: what it takes is given back', async () => {
    const database = await served();
    const gate = Promise.withResolvers<void>();
    database.faults.when(CLAIM, { kind: 'delay', until: gate.promise });
    await work(database, async () => ({}), { leaseMs: LEASE_MS });
    const first = job();
    await database.db.batch(first.statements);
    expect(await finishedJob(database.db, first.jobId)).toMatchObject({ status: 'completed', attempts: 1 });
    const second = job('nobody serves this');
    await database.db.batch(second.statements);
    await database.db.batch([sql`UPDATE jobs SET job_type = 'work' WHERE job_id = ${second.jobId}`]);
    gate.resolve();

    expect(await finishedJob(database.db, second.jobId)).toMatchObject({ status: 'completed', attempts: 1 });
  });

  test('to give back a lost claim takes nothing from a later one', async () => {
    const database = await served();
    const { db, faults } = database;
    const late = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    faults.when(CLAIM, { kind: 'drop_answer' });
    faults.when(GIVE_BACK, { kind: 'delay', until: late.promise });
    let runs = 0;
    await work(
      database,
      async () => {
        runs++;
        await goOn.promise;
        return {};
      },
      { leaseMs: LEASE_MS, concurrency: 2 },
    );
    const { jobId, statements } = job();
    await db.batch(statements);
    await waitUntil(() => runs === 1, 'the run');
    late.resolve();
    // Whatever the late request did has happened once a later one is answered.
    await db.batch([sql`UPDATE workers SET host = 'here'`]);
    const [row] = await db.query(sql`SELECT status, fence, attempts FROM jobs WHERE job_id = ${jobId}`);
    expect(row).toEqual({ status: 'processing', fence: 2, attempts: 1 });
    goOn.resolve();

    expect(await finishedJob(db, jobId)).toMatchObject({ status: 'completed', attempts: 1 });
    expect(runs).toBe(1);
  });
});

test('7: a worker that stops after the answer to its claim was lost gives the job back, and nothing counts as a crash', async () => {
  const database = await served();
  const { db, faults } = database;
  const worker = await work(database, async () => ({}), { leaseMs: 60_000 });
  const { jobId, statements } = job();
  faults.when(CLAIM, { kind: 'drop_answer' });
  await db.batch(statements);
  await waitUntil(() => faults.left === 0);

  await worker.stop(0);

  const [row] = await db.query(sql`SELECT status, crashes, attempts FROM jobs WHERE job_id = ${jobId}`);
  expect(row).toEqual({ status: 'pending', crashes: 0, attempts: 0 });
});

const NEVER_RUN: [name: string, fault: Fault][] = [
  ['a broken connection', { kind: 'drop_before' }],
  ['a half-open socket', { kind: 'half_open', isRun: false }],
  ['a 502', { kind: 'status', status: 502 }],
  ["a proxy's page", { kind: 'garbage' }],
  ['an expired stream', { kind: 'stream_expired' }],
];

describe.each(NEVER_RUN)('8: %s', (_, fault) => {
  test('leaves nothing of a batch, whose caller is told', async () => {
    const { db, faults, openAnother } = await served();
    const client = await openAnother({ requestTimeoutMs: 100 });
    faults.when(ENQUEUE, fault);

    await expect(client.batch(job().statements)).rejects.toMatchObject({ code: 'database_unavailable' });

    expect(await db.query(sql`SELECT job_id FROM jobs`)).toEqual([]);
  });

  test('costs no job and no attempt, whichever request of a worker it meets', async () => {
    const database = await served();
    const { db, faults } = database;
    for (const pattern of [CLAIM, COMPLETE, BEAT, /FROM jobs j INDEXED BY jobs_ready/]) faults.when(pattern, fault);
    let runs = 0;
    await work(database, async () => ({ run: ++runs }), { leaseMs: LEASE_MS });
    const { jobId, statements } = job();
    await db.batch(statements);

    expect(await finishedJob(db, jobId)).toMatchObject({ status: 'completed', attempts: 1, result: { run: 1 } });
  });
});

describe('8: a transaction that stands still in mid-batch for too long, and loses the write lock', () => {
  /** What a worker's cycle does: settle, then claim. */
  async function cycle(db: Database): Promise<Statement[]> {
    const queue = queueOn(db);
    await queue.register('w');
    await queue.enqueueAll([{}, {}]);
    const [held] = await queue.claim('w', 1);
    return [
      ...settleJobs([{ job: held!, outcome: { kind: 'completed', result: {} } }]),
      ...job().statements,
      claimJobs('w', LINE, 2),
    ];
  }

  const STEPS = [1, 2, 3, 4, 5];

  /** The thief adds a job of its own while the batch stands still after so many steps. */
  async function rob({ faults, openAnother }: ServedDatabase, afterSteps: number, batch: () => Promise<Row[][]>) {
    const thief = await openAnother();
    const robbery = { kind: 'pause_in_batch', afterSteps, pause: () => thief.batch(job('other').statements) } as const;
    faults.when(CLAIM, robbery);
    return batch();
  }

  test.each(STEPS)('after %i steps has done nothing, and is not done by halves', async (afterSteps) => {
    const database = await served({ transactionTimeoutMs: 0 });
    const statements = await cycle(database.db);
    const client = await database.openAnother({ busyTimeoutMs: 0 });
    const before = await rows(database.db);

    const robbed = rob(database, afterSteps, () => client.batch(statements));

    await expect(robbed).rejects.toMatchObject({ code: 'database_busy' });
    const after = await rows(database.db);
    expect(after.filter(({ job_type }) => job_type === 'work')).toEqual(before);
    expect(after.filter(({ job_type }) => job_type === 'other')).toHaveLength(1);
    await assertLockIsFree(database.path);
  });

  test.each(STEPS)('after %i steps is done as a whole, once, when it may wait', async (afterSteps) => {
    const database = await served({ transactionTimeoutMs: 0 });
    const statements = await cycle(database.db);

    const results = await rob(database, afterSteps, () => database.db.batch(statements));

    expect(
      results
        .at(-1)!
        .map(toClaimedJob)
        .map(({ fence }) => fence),
    ).toEqual([1, 1]);
    const statuses = (await rows(database.db))
      .filter(({ job_type }) => job_type === 'work')
      .map(({ status }) => status);
    expect(statuses).toEqual(['completed', 'processing', 'processing']);
  });

  test('keeps the lock for five seconds: nobody gets it before', async () => {
    const database = await served();
    const statements = await cycle(database.db);
    const thief = await database.openAnother({ busyTimeoutMs: 30 });
    const pause = () => expect(thief.batch(job('other').statements)).rejects.toMatchObject({ code: 'database_busy' });
    database.faults.when(CLAIM, { kind: 'pause_in_batch', afterSteps: 2, pause });

    expect((await database.db.batch(statements)).at(-1)).toHaveLength(2);
  });
});

async function rows(db: Database): Promise<Row[]> {
  return db.query(sql`SELECT job_type, status, fence, attempts, worker_id FROM jobs ORDER BY seq`);
}

async function statusOf(db: Database, jobId: string): Promise<unknown> {
  return (await db.query(sql`SELECT status FROM jobs WHERE job_id = ${jobId}`))[0]?.status;
}

async function leaseUntil(db: Database): Promise<number> {
  return (await db.query<{ until: number }>(sql`SELECT max(lease_until) AS until FROM workers`))[0]!.until;
}
