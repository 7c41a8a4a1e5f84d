import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { cancelJob } from '../../src/jobs/index.ts';
import { startProcess } from '../database-processes/start.ts';
import { auditExecutions } from '../harness/execution-log.ts';
import { waitUntil } from '../harness/wait-until.ts';
import { finishedJob, jobById, makeDue } from '../harness/worker.ts';
import {
  childrenOf,
  createQueueWorld,
  isRunning,
  type QueueWorld,
  type WorkerProcess,
} from '../harness/worker-process.ts';

// Faults that a queue has to survive, made in real processes and judged by what a foreign process reads from the file. The
// numbers are those of the list in docs/jobs.md, which says where the others are proved.

const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };
const KILLS = Number(process.env.QUEUE_KILLS ?? 12);
const JOBS = Number(process.env.QUEUE_JOBS ?? 1_500);
const KILL_EVERY_MS = 400;
/** So many more are added before a kill that would find nothing to do. */
const MORE_JOBS = 200;

/** How long another process holds the write lock. */
const LOCKS_MS = (process.env.QUEUE_LOCKS_MS ?? '100,1000').split(',').map(Number);

const DONE_WITHOUT_EFFECT = `SELECT job_id FROM jobs WHERE status = 'completed'
  AND NOT EXISTS (SELECT 1 FROM effects e WHERE e.job_id = jobs.job_id AND e.attempt = jobs.attempts)`;

function started({ db }: QueueWorld, jobId: string, attempt = 1): Promise<unknown> {
  return waitUntil(async () => {
    const job = await jobById(db, jobId);
    return job.status === 'processing' && job.attempts === attempt;
  }, `attempt ${attempt} of job ${jobId}`);
}

/** Its handler has begun, which is later than its claim where it runs in a process of its own. */
function atWork({ db }: QueueWorld, jobId: string): Promise<unknown> {
  return waitUntil(
    async () => (await db.query(sql`SELECT 1 FROM effects WHERE job_id = ${jobId}`)).length > 0,
    `work on ${jobId}`,
  );
}

function eventsOf(worker: WorkerProcess): unknown[] {
  return worker.log.map(({ event }) => event);
}

test(
  '1: kill -9 of a random worker of 4 again and again loses no job and completes none twice',
  async () => {
    const world = await createQueueWorld();
    const { db, seen } = world;
    await world.enqueueAll(JOBS, 'short', { ms: 5 });
    let jobs = JOBS;
    const options = { concurrency: 8, leaseMs: 1_000 };
    const workers = await Promise.all(Array.from({ length: 4 }, () => world.startWorker(options)));
    const isOver = async () =>
      (await db.query(sql`SELECT 1 FROM jobs WHERE status IN ('pending', 'processing') LIMIT 1`)).length === 0;
    const killOne = async () => {
      if (await isOver()) jobs += (await world.enqueueAll(MORE_JOBS, 'short', { ms: 5 })).length;
      const at = Math.floor(Math.random() * workers.length);
      workers[at]!.signal('SIGKILL');
      // Started beside the next kill, as a supervisor would.
      const [next] = await Promise.all([world.startWorker(options), delay(KILL_EVERY_MS)]);
      workers[at] = next;
    };
    for (let kills = 0; kills < KILLS; kills++) await killOne();
    await waitUntil(isOver, 'the end of all jobs', 60_000 + JOBS * 20);

    // A job that happened to be held by three killed workers is taken for poison, and nothing else may fail.
    const failed = await seen(`SELECT crashes, error ->> 'code' AS code FROM jobs WHERE status <> 'completed'`);
    for (const job of failed) expect(job).toEqual({ crashes: 3, code: 'worker_lost' });
    expect(failed.length).toBeLessThan(jobs / 20);
    expect(await seen(`SELECT count(*) AS n FROM audit WHERE event = 'completed'`)).toEqual([
      { n: jobs - failed.length },
    ]);
    // Behind the fence: an attempt that was superseded left nothing, and nothing completed without having been done.
    expect(await seen('SELECT job_id FROM effects GROUP BY job_id, attempt HAVING count(*) > 1')).toEqual([]);
    expect(await seen(DONE_WITHOUT_EFFECT)).toEqual([]);
    await auditExecutions(seen);
  },
  120_000 + KILLS * 4_000 + JOBS * 20,
);

describe.each(['heedless', 'isolated_heedless'])('2: a worker that was frozen past its lease (%s job)', (type) => {
  test('is not believed, goes on under a new id, and is of use again', async () => {
    const world = await createQueueWorld();
    const { db, seen } = world;
    const frozen = await world.startWorker({ leaseMs: 1_500 });
    const id = await world.enqueue(type, { payload: { gate: 'open' } });
    await started(world, id);
    frozen.signal('SIGSTOP');
    const other = await world.startWorker();
    await waitUntil(async () => {
      await makeDue(db, id);
      return (await jobById(db, id)).attempts === 2;
    }, 'the rescue');
    await world.openGate('open');
    expect(await finishedJob(db, id)).toMatchObject({ status: 'completed', attempts: 2 });

    const lost = frozen.next('worker.lease_lost');
    frozen.signal('SIGCONT');
    await lost;
    other.signal('SIGTERM');
    expect(await other.ended).toBe(0);
    const next = await world.enqueue('quick');
    expect(await finishedJob(db, next)).toMatchObject({ status: 'completed', result: { pid: frozen.pid } });

    const claims = await seen(`SELECT worker_id FROM audit WHERE event = 'processing' ORDER BY n`);
    expect(claims.map(({ worker_id }) => worker_id).slice(0, 2)).toEqual([frozen.workerId, other.workerId]);
    expect(claims[2]!.worker_id).not.toBe(frozen.workerId);
    expect(await seen(`SELECT attempt FROM effects WHERE job_id = '${id}'`)).toEqual([{ attempt: 2 }]);
    await auditExecutions(seen);
  });
});

describe.each(['effect_first', 'isolated_effect_first'])(
  '4: a worker killed between effect and completion (%s)',
  (type) => {
    test('has its job run again, with the same token, and counted', async () => {
      const world = await createQueueWorld();
      const { db, seen } = world;
      const first = await world.startWorker({ leaseMs: 1_500 });
      const id = await world.enqueue(type);
      await waitUntil(async () => (await db.query(sql`SELECT 1 FROM effects`)).length === 1, 'the effect');

      first.signal('SIGKILL');
      await world.startWorker({ leaseMs: 5_000 });

      expect(await finishedJob(db, id)).toMatchObject({ status: 'completed', attempts: 2, result: { token: id } });
      expect(await seen('SELECT job_id, attempt, token FROM effects ORDER BY n')).toEqual([
        { job_id: id, attempt: 1, token: id },
        { job_id: id, attempt: 2, token: id },
      ]);
      await auditExecutions(seen);
    });
  },
);

describe.each(LOCKS_MS)('5, 6: another process that holds the write lock for %i ms', (heldMs) => {
  test('costs no job and no error, and what is written afterwards is seen by others', async () => {
    const world = await createQueueWorld();
    const { db, path, seen } = world;
    const worker = await world.startWorker({ concurrency: 4, leaseMs: 5_000 + 2 * heldMs });
    const waiting = await world.enqueueAll(4, 'gate', { gate: 'open' });
    for (const id of waiting) await started(world, id);
    await world.openGate('open');
    const holder = startProcess('hold-lock.ts', path);
    await holder.printed('locked');
    const ids = world.enqueueAll(20, 'quick');
    await delay(heldMs);
    holder.child.stdin.end();
    await holder.output();

    for (const id of [...waiting, ...(await ids)]) expect((await finishedJob(db, id)).status).toBe('completed');
    expect(await seen(`SELECT status, count(*) AS n FROM jobs GROUP BY status`)).toEqual([
      { status: 'completed', n: 24 },
    ]);
    expect(worker.log.filter(({ level }) => level === 'error')).toEqual([]);
    // The lock is free: a foreign process gets it at once.
    const next = startProcess('hold-lock.ts', path);
    await next.printed('locked');
    next.child.stdin.end();
    await next.output();
    await auditExecutions(seen);
  });
});

/** Short, yet long enough for the beats of a thread on a busy machine. */
const LEASE_MS = 2_000;

test('11: workers whose clocks are an hour off run nothing early or twice, and write no time of their own', async () => {
  const world = await createQueueWorld();
  const { db, seen } = world;
  const shifted = (hours: number) =>
    world.startWorker({
      leaseMs: LEASE_MS,
      flags: ['--import', new URL('./shift-date.ts', import.meta.url).href],
      env: { CLOCK_SHIFT_MS: String(hours * 3_600_000) },
    });
  const workers = await Promise.all([shifted(1), shifted(-1)]);
  const later = await world.enqueue('quick', { delayMs: 1_800_000 });
  const soon = await world.enqueue('says', { delayMs: 300 });
  const held = await world.enqueue('gate', { payload: { gate: 'open' } });
  await started(world, held);
  const ids = [...(await world.enqueueAll(20, 'says')), await world.enqueue('isolated_says')];
  for (const id of ids) expect((await finishedJob(db, id)).status).toBe('completed');
  await waitUntil(async () => (await jobById(db, soon)).status === 'completed', 'the job that was due soon');
  const [beat] = await db.query<{ lease_until: number }>(sql`SELECT max(lease_until) AS lease_until FROM workers`);
  // Long enough for a worker with a wrong idea of time to take the other one for dead.
  await waitUntil(async () => {
    const rows = await db.query(sql`SELECT 1 FROM workers WHERE lease_until > ${beat!.lease_until + LEASE_MS}`);
    return rows.length === 2;
  }, 'leases that were extended');
  await world.openGate('open');
  await finishedJob(db, held);

  expect(await jobById(db, later)).toMatchObject({ status: 'pending', attempts: 0 });
  expect(await seen('SELECT count(*) AS n, max(attempts) AS attempts, max(crashes) AS crashes FROM jobs')).toEqual([
    { n: 24, attempts: 1, crashes: 0 },
  ]);
  expect(await seen(INSTANTS_ARE_NEAR)).toEqual([{ far: 0 }]);
  expect(workers.flatMap(eventsOf)).not.toContain('worker.lease_lost');
  expect(workers.map(({ log }) => Math.round((Date.now() - Date.parse(log[0]!.time as string)) / 3_600_000))).toEqual([
    -1, 1,
  ]);
  await auditExecutions(seen);
});

/** Within a minute of the database's clock; all of this test is. */
const INSTANTS_ARE_NEAR = `SELECT count(*) AS far FROM (
    SELECT created_at AS at FROM jobs UNION ALL SELECT updated_at FROM jobs UNION ALL SELECT started_at FROM jobs
    UNION ALL SELECT finished_at FROM jobs UNION ALL SELECT run_at FROM jobs WHERE status = 'completed'
    UNION ALL SELECT e.value ->> 0 FROM jobs, json_each('[' || substr(timeline, 2) || ']') e
    UNION ALL SELECT at FROM job_logs UNION ALL SELECT started_at FROM workers UNION ALL SELECT lease_until FROM workers)
  WHERE abs(at - unixepoch('subsec') * 1000) > 60000`;

test('12: a handler that blocks its event loop longer than the lease keeps its job and its worker', async () => {
  const world = await createQueueWorld();
  const { db, seen } = world;
  const blocked = await world.startWorker({ leaseMs: LEASE_MS, concurrency: 1 });
  const id = await world.enqueue('block', { payload: { ms: 2 * LEASE_MS } });
  await started(world, id);
  await world.startWorker();

  expect(await finishedJob(db, id)).toMatchObject({ status: 'completed', attempts: 1, result: { pid: blocked.pid } });
  expect(await seen(`SELECT event FROM audit ORDER BY n`)).toEqual([{ event: 'processing' }, { event: 'completed' }]);
  expect(eventsOf(blocked)).not.toContain('worker.lease_lost');
  await auditExecutions(seen);
});

describe('13: a job that takes its process down each time', () => {
  test('fails after three crashes, and its neighbours complete', async () => {
    const world = await createQueueWorld();
    const { db, seen } = world;
    const worker = await world.startWorker({ concurrency: 4, memoryMb: 256 });
    const codes = {
      isolated_exit: 'job_crashed',
      isolated_abort: 'job_crashed',
      isolated_fill_heap: 'job_out_of_memory',
    };
    const poison: [string, string][] = [];
    for (const [type, code] of Object.entries(codes)) poison.push([await world.enqueue(type), code]);
    const neighbours = [...(await world.enqueueAll(10, 'short', { ms: 20 })), await world.enqueue('isolated_quick')];

    const ended = poison.map(async ([id, code]) => {
      const job = await finishedJob(db, id);
      expect(job).toMatchObject({ status: 'failed', attempts: 3, error: { code, retryable: false } });
    });
    for (const id of neighbours) {
      expect(await finishedJob(db, id)).toMatchObject({ status: 'completed', attempts: 1 });
    }
    await Promise.all(ended);
    expect(worker.isAlive).toBe(true);
    await auditExecutions(seen);
  });

  test('of a type that runs inside the worker takes down one worker, and no second one', async () => {
    const world = await createQueueWorld();
    const { db, seen } = world;
    const id = await world.enqueue('exit');
    const neighbour = await world.enqueue('gate', { payload: { gate: 'open' } });
    const first = await world.startWorker({ leaseMs: 500 });
    await first.ended;
    await world.openGate('open');
    const busy = await world.enqueue('gate', { payload: { gate: 'never' } });
    const second = await world.startWorker({ concurrency: 3 });

    expect(await finishedJob(db, id)).toMatchObject({ status: 'failed', attempts: 3, error: { code: 'job_crashed' } });
    expect(await finishedJob(db, neighbour)).toMatchObject({ status: 'completed' });
    expect(await jobById(db, busy)).toMatchObject({ status: 'processing', attempts: 1 });
    expect(second.isAlive).toBe(true);
    await world.openGate('never');
    expect(await finishedJob(db, busy)).toMatchObject({ status: 'completed' });
    await auditExecutions(seen);
  });
});

describe('14: a handler that ignores its signal', () => {
  test('in a process of its own is killed, and its worker goes on', async () => {
    const world = await createQueueWorld();
    const { db, seen } = world;
    const worker = await world.startWorker({ concurrency: 2, leaseMs: 3_000, jobTimeoutMs: 2_500, abortGraceMs: 200 });
    const timedOut = await world.enqueue('isolated_deaf_and_blind', { maxAttempts: 1 });
    const cancelled = await world.enqueue('isolated_deaf');
    await atWork(world, cancelled);
    await db.batch(cancelJob(cancelled, EVERYBODY));

    expect(await finishedJob(db, cancelled)).toMatchObject({ status: 'cancelled' });
    expect(await finishedJob(db, timedOut)).toMatchObject({ status: 'failed', error: { code: 'job_timeout' } });
    const next = await world.enqueue('isolated_quick');
    expect(await finishedJob(db, next)).toMatchObject({ status: 'completed' });
    expect(worker.isAlive).toBe(true);
    expect(eventsOf(worker)).not.toContain('worker.handler_stuck');
    await auditExecutions(seen);
  });

  test('in the worker costs the worker, which lets its other jobs finish first', async () => {
    const world = await createQueueWorld();
    const { db, seen } = world;
    const worker = await world.startWorker({ concurrency: 2, leaseMs: 3_000, abortGraceMs: 100, graceMs: 20_000 });
    const cancelled = await world.enqueue('deaf');
    const neighbour = await world.enqueue('gate', { payload: { gate: 'open' } });
    await started(world, cancelled);
    await started(world, neighbour);
    const stuck = worker.next('worker.handler_stuck');
    await db.batch(cancelJob(cancelled, EVERYBODY));
    await stuck;
    expect(await finishedJob(db, cancelled)).toMatchObject({ status: 'cancelled' });
    const unclaimed = await world.enqueue('quick');
    await world.openGate('open');

    expect(await worker.ended).toBe(0);
    expect(await jobById(db, neighbour)).toMatchObject({ status: 'completed', attempts: 1 });
    expect(await jobById(db, unclaimed)).toMatchObject({ status: 'pending', attempts: 0 });
    await auditExecutions(seen);
  });
});

describe('15: SIGTERM while many jobs run', () => {
  test('lets those that end store it, gives back the rest with their attempt, and ends every process in time', async () => {
    const world = await createQueueWorld();
    const { db, seen } = world;
    const graceMs = 4_000;
    const worker = await world.startWorker({ concurrency: 50, graceMs, abortGraceMs: 60_000 });
    const finishing = await world.enqueueAll(25, 'gate', { gate: 'open' });
    const lasting = [...(await world.enqueueAll(24, 'deaf')), await world.enqueue('isolated_deaf')];
    for (const id of finishing) await started(world, id);
    for (const id of lasting) await atWork(world, id);
    const waiting = await world.enqueueAll(50, 'quick');
    const hosts = childrenOf(worker.pid);
    expect(hosts).toHaveLength(1);
    const before = performance.now();

    worker.signal('SIGTERM');
    await world.openGate('open');

    expect(await worker.ended).toBe(0);
    expect(performance.now() - before).toBeLessThan(graceMs);
    expect(hosts.filter(isRunning)).toEqual([]);
    for (const id of finishing) expect(await jobById(db, id)).toMatchObject({ status: 'completed' });
    const free = { status: 'pending', attempts: 0 };
    for (const id of [...lasting, ...waiting]) expect(await jobById(db, id)).toMatchObject(free);
    expect(await seen('SELECT max(crashes) AS crashes FROM jobs')).toEqual([{ crashes: 0 }]);
    expect(await seen('SELECT * FROM workers')).toEqual([]);
    await auditExecutions(seen);
  });

  test('and again ends the process at once', async () => {
    const world = await createQueueWorld();
    const worker = await world.startWorker({ graceMs: 600_000 });
    await atWork(world, await world.enqueue('isolated_deaf_and_blind'));
    const [host] = childrenOf(worker.pid);
    worker.signal('SIGTERM');
    worker.signal('SIGINT');

    expect(await worker.ended).toBe(1);
    await waitUntil(() => !isRunning(host!), 'the end of the process of the job');
  });
});

test('16: a worker that starts while others run leaves their jobs alone', async () => {
  const world = await createQueueWorld();
  const { db, seen } = world;
  const first = await world.startWorker({ concurrency: 8 });
  const ids = await world.enqueueAll(8, 'gate', { gate: 'open' });
  for (const id of ids) await started(world, id);
  const second = await world.startWorker({ concurrency: 8 });
  expect(await finishedJob(db, await world.enqueue('quick'))).toMatchObject({ result: { pid: second.pid } });
  await world.openGate('open');

  for (const id of ids) {
    expect(await finishedJob(db, id)).toMatchObject({ status: 'completed', attempts: 1, result: { pid: first.pid } });
  }
  expect(await seen(`SELECT count(*) AS n FROM audit WHERE event NOT IN ('processing', 'completed')`)).toEqual([
    { n: 0 },
  ]);
  await auditExecutions(seen);
});

describe.each(['isolated_deaf', 'isolated_deaf_and_blind'])('a worker killed while it runs a job (%s)', (type) => {
  test('leaves no process behind', async () => {
    const world = await createQueueWorld();
    const worker = await world.startWorker();
    await atWork(world, await world.enqueue(type));
    const hosts = childrenOf(worker.pid);
    expect(hosts).toHaveLength(1);

    worker.signal('SIGKILL');

    await waitUntil(() => hosts.every((pid) => !isRunning(pid)), 'the end of the process of the job');
  });
});
