import { describe, expect, onTestFinished, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { waitUntil } from '../../test/harness/wait-until.ts';
import { childrenOf, isRunning } from '../../test/harness/worker-process.ts';
import { sql } from '../db/sql.ts';
import { AppError } from '../errors/app-error.ts';
import { claimJobs, enqueueJob, insertWorker, type Outcome, toClaimedJob } from '../jobs/index.ts';
import { createLogger } from '../telemetry/logger.ts';
import { JobHostPool, type JobHostPoolOptions } from './job-host-pool.ts';

const SYSTEM = { ownerId: null, via: 'system', levelCap: 4, groupId: null } as const;
const ENTRY = new URL('../../test/cross-process/job-process.ts', import.meta.url);

async function world(options: Partial<JobHostPoolOptions> & { env?: Record<string, string> } = {}) {
  const { db, url, close } = await createTestDatabase();
  const { env = {}, ...rest } = options;
  const log = createLogger({ level: 'silent', service: 'worker' });
  const pool = new JobHostPool({ entry: ENTRY, log, size: 2, memoryMb: 512, abortGraceMs: 10_000, ...rest });
  Object.assign(process.env, { TEST_DATABASE: url, TEST_LOG_LEVEL: 'silent', ...env });
  await db.batch([
    { text: 'CREATE TABLE effects (n INTEGER PRIMARY KEY, job_id TEXT, attempt, token TEXT, pid INTEGER)', values: [] },
    { text: 'CREATE TABLE gates (gate TEXT PRIMARY KEY)', values: [] },
    insertWorker({ workerId: 'w', host: 'test', pid: process.pid, queues: null, jobTypes: [], leaseMs: 600_000 }),
  ]);
  onTestFinished(async () => {
    await pool.stop(0);
    for (const name of ['TEST_DATABASE', 'TEST_LOG_LEVEL', ...Object.keys(env)]) delete process.env[name];
    await close();
  });

  /** Claims a new job, as its worker would, and runs it on the pool. */
  async function run(jobType: string, payload = {}, signal = new AbortController().signal): Promise<Outcome> {
    await db.batch(enqueueJob({ jobType, payload, onBehalfOf: SYSTEM }).statements);
    const [rows] = await db.batch([claimJobs('w', [{ queue: 'default', jobType }], 1)]);
    return pool.run(toClaimedJob(rows![0]!), signal);
  }

  async function pidOf(running: Promise<Outcome>): Promise<number> {
    const outcome = await running;
    if (outcome.kind !== 'completed') throw new Error(`the job ended as ${outcome.kind}`);
    return (outcome.result as { pid: number }).pid;
  }
  /** Resolves when so many handlers are at work or have been. */
  async function effects(count: number): Promise<void> {
    await waitUntil(async () => (await db.query(sql`SELECT 1 FROM effects`)).length === count, `${count} effects`);
  }
  return { db, pool, run, pidOf, effects };
}

describe('jobs in processes of their own', () => {
  test('run one after the other in the same warm process, apart from this one', async () => {
    const { run, pidOf } = await world();
    const first = await pidOf(run('quick'));

    expect(await pidOf(run('quick'))).toBe(first);
    expect(first).not.toBe(process.pid);
  });

  test('run beside each other in different ones', async () => {
    const { db, run, pidOf } = await world();
    const both = [run('gate', { gate: 'open' }), run('gate', { gate: 'open' })].map(pidOf);
    await db.batch([sql`INSERT INTO gates (gate) VALUES ('open')`]);

    const [one, other] = await Promise.all(both);

    expect(one).not.toBe(other);
  });

  test('get a new one after so many jobs', async () => {
    const { run, pidOf } = await world({ maxJobs: 2 });
    const pids = [await pidOf(run('quick')), await pidOf(run('quick')), await pidOf(run('quick'))];

    expect(pids[1]).toBe(pids[0]);
    expect(pids[2]).not.toBe(pids[0]);
    await waitUntil(() => !isRunning(pids[0]!), 'the end of the old process');
  });

  test('get a new one when half of the memory is not given back', async () => {
    const { run, pidOf } = await world({ memoryMb: 512 });
    const leaking = await pidOf(run('leak', { mb: 260 }));

    expect(await pidOf(run('quick'))).not.toBe(leaking);
    await waitUntil(() => !isRunning(leaking), 'the end of the old process');
  });

  test('leave no idle process for longer than they should', async () => {
    const { run, pidOf } = await world({ idleMs: 1 });
    const pid = await pidOf(run('quick'));

    await waitUntil(() => !isRunning(pid), 'the end of the idle process');
  });

  test('leave none when the pool stops, also of those that do not answer', async () => {
    const { run, pool, effects } = await world();
    const before = new Set(childrenOf(process.pid));
    const busy = run('deaf_and_blind');
    await run('quick');
    await effects(2);
    const started = childrenOf(process.pid).filter((pid) => !before.has(pid));
    expect(started).toHaveLength(2);

    await pool.stop(0);

    expect(started.filter(isRunning)).toEqual([]);
    expect(await busy).toMatchObject({ kind: 'crashed' });
    expect(await run('quick')).toEqual({ kind: 'released', delayMs: 0 });
  });
});

describe('a job that is told to stop', () => {
  test('hears why, and its process is used again', async () => {
    const { db, run, pidOf } = await world();
    const pid = await pidOf(run('quick'));
    const abort = new AbortController();
    const running = run('gate', { gate: 'closed' }, abort.signal);
    await waitUntil(async () => (await db.query(sql`SELECT 1 FROM jobs WHERE status = 'processing'`)).length > 0);

    abort.abort(new AppError('job_cancelled'));

    expect(await running).toEqual({ kind: 'cancelled' });
    expect(await pidOf(run('quick'))).toBe(pid);
  });

  test.each([
    ['job_cancelled', { kind: 'cancelled' }],
    ['job_timeout', { kind: 'retry', error: { code: 'job_timeout' } }],
  ] as const)('with %s and does not answer is killed, which is no crash', async (code, outcome) => {
    const { run, pidOf, effects } = await world({ abortGraceMs: 1 });
    const pid = await pidOf(run('quick'));
    const abort = new AbortController();
    const running = run('deaf_and_blind', {}, abort.signal);
    await effects(2);

    abort.abort(new AppError(code));

    expect(await running).toMatchObject(outcome);
    expect(await pidOf(run('quick'))).not.toBe(pid);
  });

  test('before it has begun never begins', async () => {
    const { db, run } = await world();

    expect(await run('quick', {}, AbortSignal.abort(new AppError('job_cancelled')))).toEqual({ kind: 'cancelled' });
    expect(await db.query(sql`SELECT * FROM effects`)).toEqual([]);
  });
});

test.each([
  ['segfault', 'job_crashed'],
  ['throw_later', 'job_crashed'],
  ['fill_buffers', 'job_out_of_memory'],
])('a handler that takes its process down (%s) is a crash of its job alone', async (type, code) => {
  const { db, run } = await world({ memoryMb: 256 });
  const neighbour = run('gate', { gate: 'open' });

  expect(await run(type)).toMatchObject({ kind: 'crashed', error: { code, retryable: true } });
  await db.batch([sql`INSERT INTO gates (gate) VALUES ('open')`]);
  expect(await neighbour).toMatchObject({ kind: 'completed' });
});

test('a process that cannot start is not laid to the job', async () => {
  const { run } = await world({ env: { TEST_HOST_FAILS: 'yes' } });

  expect(await run('quick')).toMatchObject({ kind: 'released' });
});

test('a job that was told to stop makes room for the next one when all places are taken', async () => {
  const { run, pidOf, effects } = await world({
    size: 1,
    abortGraceMs: 600_000,
    env: { TEST_ABORT_GRACE_MS: '600000' },
  });
  const abort = new AbortController();
  const abandoned = run('deaf', {}, abort.signal);
  await effects(1);
  abort.abort(new AppError('lease_lost'));

  expect(await pidOf(run('quick'))).toBeGreaterThan(0);
  expect(await abandoned).toMatchObject({ kind: 'failed', error: { code: 'lease_lost' } });
});
