import { beforeEach, describe, expect, test } from 'vitest';
import { createDocument, createUser } from '../../test/factories.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import { ConstraintError, type Database } from '../db/database.ts';
import { now, type Row, type Statement, sql } from '../db/sql.ts';
import { cancelJob, retryJob } from './control/queries.ts';
import { type EnqueueRequest, enqueueJob } from './enqueue.ts';
import { insertIdempotentAnswer, selectIdempotentAnswer } from './idempotency/queries.ts';
import type { ClaimedJob, JobError, Outcome, Settlement } from './job.ts';
import {
  claimJobs,
  claimSuspect,
  deleteDeadWorkers,
  extendLease,
  insertWorker,
  type Line,
  promoteDueJobs,
  releaseLost,
  requireClaim,
  rescueJobs,
  selectCancelRequests,
  selectRunnable,
  settleJobs,
  toClaimedJob,
  updateProgress,
} from './queries.ts';
import { selectJob, selectJobs } from './watch/queries.ts';

const SYSTEM = { ownerId: null, via: 'system', levelCap: 4, groupId: null } as const;
const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };
const NOBODY = { all: false, ownerId: null, pollTokenHash: null };
const ERROR: JobError = { code: 'job_failed', message: 'It failed', retryable: true };
const LEASE_MS = 60_000;

let db: Database;

beforeEach(async () => {
  const created = await createTestDatabase();
  db = created.db;
  return created.close;
});

async function run(statement: Statement): Promise<Row[]> {
  return (await db.batch([statement]))[0]!;
}

async function enqueue(request: Partial<EnqueueRequest> = {}): Promise<string> {
  const job = enqueueJob({ jobType: 'work', payload: {}, onBehalfOf: SYSTEM, ...request });
  await db.batch(job.statements);
  return job.jobId;
}

async function register(workerId: string, leaseMs = LEASE_MS): Promise<string> {
  await run(insertWorker({ workerId, host: 'here', pid: 1, queues: null, jobTypes: ['work'], leaseMs }));
  return workerId;
}

function settleJob(job: Settlement['job'], outcome: Outcome): Statement {
  return settleJobs([{ job, outcome }])[0]!;
}

/** Of every type there is, those that crashed before as well. */
async function claim(workerId: string, limit = 10) {
  const lines = await db.query<Line>(sql`SELECT DISTINCT queue, job_type AS "jobType" FROM jobs`);
  if (lines.length === 0) lines.push({ queue: 'default', jobType: 'work' });
  const ready = await run(claimJobs(workerId, lines, limit));
  const rows = ready.length > 0 ? ready : await run(claimSuspect(workerId, lines));
  const claimed = rows.map(toClaimedJob);
  return claimed.sort((a, b) => a.priority - b.priority || a.seq - b.seq);
}

/** One claimed job of a registered worker. */
async function claimedJob(request: Partial<EnqueueRequest> = {}) {
  const jobId = await enqueue(request);
  const workerId = await register(`worker of ${jobId}`);
  const [job] = await claim(workerId, 1);
  return { ...job!, workerId };
}

async function isWorthAsking(): Promise<boolean> {
  const { lines, suspects, chores } = await selectRunnable(db, null, ['work', 'ingest']);
  return lines.length + suspects.length > 0 || chores;
}

async function row(jobId: string): Promise<Row> {
  return (await db.query(sql`SELECT * FROM jobs WHERE job_id = ${jobId}`))[0]!;
}

function expireLease(workerId: string): Statement {
  return sql`UPDATE workers SET lease_until = ${now} - 1 WHERE worker_id = ${workerId}`;
}

/** The worker of the job dies, and the delay of the rescue passes. */
async function crash(workerId: string): Promise<Row[]> {
  const [, rescued] = await db.batch([expireLease(workerId), rescueJobs()]);
  await db.batch([sql`UPDATE jobs SET run_at = ${now} WHERE wait = 'time'`, promoteDueJobs()]);
  return rescued!;
}

describe('claiming', () => {
  test('21: takes jobs by priority, then in the order of arrival', async () => {
    const normal = await enqueue();
    const low = await enqueue({ priority: 5 });
    const high = await enqueue({ priority: -5 });
    const alsoNormal = await enqueue();
    await register('w');

    expect((await claim('w', 3)).map((job) => job.jobId)).toEqual([high, normal, alsoNormal]);
    expect((await claim('w', 3)).map((job) => job.jobId)).toEqual([low]);
  });

  test('takes nothing without a valid lease', async () => {
    await enqueue();
    await register('late');
    await db.batch([expireLease('late')]);

    expect(await claim('never registered')).toEqual([]);
    expect(await claim('late')).toEqual([]);
  });

  test('gives a job to one worker only', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => enqueue()));
    await register('a');
    await register('b');

    const claims = await Promise.all([claim('a', 7), claim('b', 7), claim('a', 7), claim('b', 7)]);

    const seen = claims.flat().map((job) => job.jobId);
    expect(seen.toSorted()).toEqual(ids.toSorted());
  });

  test('counts the attempt, raises the fence and tells what the handler needs', async () => {
    const ada = await createUser(db);
    const job = await claimedJob({
      jobType: 'ingest',
      payload: { a: [1] },
      onBehalfOf: { ownerId: ada.userId, via: 'api_key', levelCap: 2, groupId: null },
      trace: '00-x',
      maxAttempts: 7,
    });

    expect(job).toMatchObject({
      jobType: 'ingest',
      payload: { a: [1] },
      ownerId: ada.userId,
      via: 'api_key',
      levelCap: 2,
      trace: '00-x',
      attempt: 1,
      maxAttempts: 7,
      fence: 1,
    });
    expect(await row(job.jobId)).toMatchObject({ status: 'processing', worker_id: job.workerId });
  });

  test('leaves a delayed job until its time is promoted', async () => {
    const jobId = await enqueue({ delayMs: 3_600_000 });
    await register('w');
    await run(promoteDueJobs());
    expect(await claim('w')).toEqual([]);
    expect(await isWorthAsking()).toBe(false);

    await db.batch([sql`UPDATE jobs SET run_at = ${now}`]);
    expect(await isWorthAsking()).toBe(true);
    await run(promoteDueJobs());

    expect((await claim('w')).map((job) => job.jobId)).toEqual([jobId]);
  });
});

describe('the fence', () => {
  test('rises with every claim and never falls', async () => {
    const job = await claimedJob();
    const fences = [job.fence];
    for (let i = 0; i < 3; i++) {
      await run(settleJob({ seq: job.seq, fence: fences.at(-1)! }, { kind: 'released', delayMs: 0 }));
      fences.push((await claim(job.workerId))[0]!.fence);
    }
    await run(settleJob({ seq: job.seq, fence: fences.at(-1)! }, { kind: 'failed', error: ERROR }));
    await db.batch(retryJob(job.jobId, EVERYBODY));
    fences.push((await claim(job.workerId))[0]!.fence);

    expect(fences).toEqual([1, 2, 3, 4, 5]);
  });

  test.each([
    ['completed', { kind: 'completed', result: { by: 'old' } }],
    ['failed', { kind: 'failed', error: ERROR }],
    ['retried', { kind: 'retry', error: ERROR, delayMs: 1 }],
    ['released', { kind: 'released', delayMs: 0 }],
    ['cancelled', { kind: 'cancelled' }],
  ] as const)('a job is not %s by a worker that has lost it', async (_, outcome) => {
    const old = await claimedJob();
    await crash(old.workerId);
    const rescuedOnly = await row(old.jobId);
    expect(await run(settleJob(old, outcome))).toEqual([]);
    expect(await row(old.jobId)).toEqual(rescuedOnly);

    await register('new');
    await claim('new');
    const claimedAgain = await row(old.jobId);

    expect(await run(settleJob(old, outcome))).toEqual([]);
    expect(await row(old.jobId)).toEqual(claimedAgain);
  });

  test('keeps the progress and the writes of a worker that has lost the job out', async () => {
    const old = await claimedJob();
    await crash(old.workerId);
    await register('new');
    await claim('new');

    await run(updateProgress(old, { stage: 'late', done: 1, total: 2 }));
    const write = db.batch([requireClaim(old), sql`UPDATE jobs SET priority = 99`]);

    await expect(write).rejects.toMatchObject({ code: 'lease_lost' });
    expect(await row(old.jobId)).toMatchObject({ progress: null, priority: 0 });
  });

  test('lets the holder write', async () => {
    const job = await claimedJob();

    await run(updateProgress(job, { stage: 'parse', done: 1, total: 2 }));
    await db.batch([requireClaim(job), sql`UPDATE jobs SET priority = 99`]);

    expect(await row(job.jobId)).toMatchObject({ progress: '{"stage":"parse","done":1,"total":2}', priority: 99 });
  });

  test('stops a second outcome of the same claim', async () => {
    const job = await claimedJob();

    expect(await run(settleJob(job, { kind: 'completed', result: { n: 1 } }))).toHaveLength(1);
    expect(await run(settleJob(job, { kind: 'failed', error: ERROR }))).toEqual([]);

    expect(await row(job.jobId)).toMatchObject({ status: 'completed', result: '{"n":1}', error: null });
  });
});

describe('an attempt that failed', () => {
  test('is followed by another one after the delay', async () => {
    const job = await claimedJob({ maxAttempts: 2 });

    await run(settleJob(job, { kind: 'retry', error: ERROR, delayMs: 5_000.4 }));

    const after = await row(job.jobId);
    expect(after).toMatchObject({ status: 'pending', wait: 'time', attempts: 1, worker_id: null, finished_at: null });
    expect((after.run_at as number) - (after.updated_at as number)).toBe(5_000);
    expect(JSON.parse(after.error as string)).toEqual(ERROR);
  });

  test('is the last one when the attempts are exhausted', async () => {
    const job = await claimedJob({ maxAttempts: 1 });

    await run(settleJob(job, { kind: 'retry', error: ERROR, delayMs: 5_000 }));

    const after = await row(job.jobId);
    expect(after).toMatchObject({ status: 'failed', wait: null, attempts: 1 });
    expect(after.finished_at).toBeTypeOf('number');
  });

  test.each([
    [0, null],
    [5_000, 'time'],
  ])('costs nothing when it was released for %i ms', async (delayMs, wait) => {
    const job = await claimedJob({ maxAttempts: 1 });

    await run(settleJob(job, { kind: 'released', delayMs }));

    expect(await row(job.jobId)).toMatchObject({ status: 'pending', wait, attempts: 0, crashes: 0 });
  });
});

describe('rescue', () => {
  test('takes the jobs of a worker whose lease has run out, and counts the crash', async () => {
    const job = await claimedJob();

    const rescued = await crash(job.workerId);

    expect(rescued).toMatchObject([{ job_id: job.jobId, status: 'pending' }]);
    expect(await row(job.jobId)).toMatchObject({ status: 'pending', crashes: 1, attempts: 1, worker_id: null });
  });

  test('takes the jobs of a worker without a row', async () => {
    const job = await claimedJob();
    await db.batch([sql`DELETE FROM workers`]);

    expect(await isWorthAsking()).toBe(true);
    expect(await run(rescueJobs())).toMatchObject([{ job_id: job.jobId, status: 'pending' }]);
  });

  test('leaves the jobs of a live worker alone', async () => {
    const job = await claimedJob();

    expect(await run(rescueJobs())).toEqual([]);
    expect(await isWorthAsking()).toBe(false);
    expect(await row(job.jobId)).toMatchObject({ status: 'processing', fence: 1 });
  });

  test('waits longer after each crash', async () => {
    const job = await claimedJob();
    const delays: number[] = [];
    for (let i = 0; i < 2; i++) {
      await db.batch([expireLease(job.workerId), rescueJobs()]);
      const { run_at, updated_at, wait } = await row(job.jobId);
      expect(wait).toBe('time');
      delays.push((run_at as number) - (updated_at as number));
      await db.batch([sql`UPDATE jobs SET wait = NULL`, sql`UPDATE workers SET lease_until = ${now} + ${LEASE_MS}`]);
      await claim(job.workerId);
    }

    expect(delays).toEqual([1_000, 2_000]);
  });

  test('ends a job that has killed three workers as failed', async () => {
    const jobId = await enqueue({ maxAttempts: 20 });
    for (let i = 0; i < 3; i++) {
      await register(`victim ${i}`);
      expect(await claim(`victim ${i}`)).toHaveLength(1);
      await crash(`victim ${i}`);
    }

    const after = await row(jobId);
    expect(after).toMatchObject({ status: 'failed', crashes: 3, wait: null, worker_id: null });
    expect(JSON.parse(after.error as string)).toMatchObject({ code: 'worker_lost', retryable: false });
    expect(after.finished_at).toBeTypeOf('number');
  });

  test('ends a job whose attempts are exhausted as failed', async () => {
    const job = await claimedJob({ maxAttempts: 1 });

    await crash(job.workerId);

    expect(await row(job.jobId)).toMatchObject({ status: 'failed', crashes: 1 });
  });

  test('ends a job that was to be cancelled as cancelled', async () => {
    const job = await claimedJob();
    await db.batch(cancelJob(job.jobId, EVERYBODY));

    await crash(job.workerId);

    expect(await row(job.jobId)).toMatchObject({ status: 'cancelled', wait: null, worker_id: null, error: null });
  });
});

describe('a lease', () => {
  test('is extended by its worker while it is valid', async () => {
    await register('w', 1_000);

    const [extended] = await run(extendLease('w', LEASE_MS));

    const [{ ahead }] = (await db.query<{ ahead: number }>(sql`SELECT lease_until - ${now} AS ahead FROM workers`)) as [
      { ahead: number },
    ];
    expect(extended!.lease_until).toBeTypeOf('number');
    expect(ahead).toBeGreaterThan(1_000);
  });

  test('that has run out is not extended', async () => {
    await register('w');
    await db.batch([expireLease('w')]);

    expect(await run(extendLease('w', LEASE_MS))).toEqual([]);
  });

  test('of a long dead worker is deleted once no job names it', async () => {
    const job = await claimedJob();
    await register('other');
    await db.batch([sql`UPDATE workers SET lease_until = ${now} - 3700000`]);

    await run(deleteDeadWorkers());
    expect(await db.query(sql`SELECT worker_id FROM workers`)).toEqual([{ worker_id: job.workerId }]);

    await db.batch([rescueJobs(), deleteDeadWorkers()]);
    expect(await db.query(sql`SELECT worker_id FROM workers`)).toEqual([]);
  });
});

describe('what a worker is said to hold but does not', () => {
  test('is given back with its attempt refunded, and nothing else', async () => {
    await register('w');
    await register('other');
    const lost = await enqueue();
    const held = await enqueue();
    const [lostClaim, heldClaim] = await claim('w', 2);
    expect([lostClaim!.jobId, heldClaim!.jobId]).toEqual([lost, held]);
    const others = await enqueue();
    await claim('other');

    await run(releaseLost([lostClaim!, { seq: heldClaim!.seq, fence: heldClaim!.fence - 1 }]));

    expect(await row(lost)).toMatchObject({ status: 'pending', wait: null, attempts: 0, worker_id: null });
    expect(await row(held)).toMatchObject({ status: 'processing', attempts: 1 });
    expect(await row(others)).toMatchObject({ status: 'processing', attempts: 1 });
  });
});

describe('cancelling', () => {
  test('ends a waiting job at once', async () => {
    const jobId = await enqueue({ delayMs: 3_600_000 });

    await db.batch(cancelJob(jobId, EVERYBODY));

    expect(await row(jobId)).toMatchObject({ status: 'cancelled', wait: null });
    await register('w');
    expect(await claim('w')).toEqual([]);
  });

  test('leaves a running job to its worker, who is told', async () => {
    const job = await claimedJob();
    expect(await run(selectCancelRequests(job.workerId))).toEqual([]);

    await db.batch(cancelJob(job.jobId, EVERYBODY));

    expect(await row(job.jobId)).toMatchObject({ status: 'processing', finished_at: null });
    expect(await run(selectCancelRequests(job.workerId))).toEqual([{ seq: job.seq, fence: job.fence }]);
    await run(settleJob(job, { kind: 'cancelled' }));
    expect(await row(job.jobId)).toMatchObject({ status: 'cancelled' });
  });

  test.each([
    ['fails for now', { kind: 'retry', error: ERROR, delayMs: 1 }],
    ['is released', { kind: 'released', delayMs: 0 }],
  ] as const)('ends a running job that %s', async (_, outcome) => {
    const job = await claimedJob();
    await db.batch(cancelJob(job.jobId, EVERYBODY));

    await run(settleJob(job, outcome));

    const after = await row(job.jobId);
    expect(after).toMatchObject({ status: 'cancelled', wait: null });
    expect(after.finished_at).toBeTypeOf('number');
  });

  test('that is asked for again says and changes nothing more', async () => {
    const job = await claimedJob();
    await db.batch(cancelJob(job.jobId, EVERYBODY));
    const { timeline, cancel_at } = await row(job.jobId);

    await db.batch(cancelJob(job.jobId, EVERYBODY));

    expect(await row(job.jobId)).toMatchObject({ timeline, cancel_at });
  });

  test('ends a job whose claim never reached its worker', async () => {
    const job = await claimedJob();
    await db.batch(cancelJob(job.jobId, EVERYBODY));

    await run(releaseLost([job]));

    expect(await row(job.jobId)).toMatchObject({ status: 'cancelled', wait: null, worker_id: null });
  });

  test.each(['completed', 'failed', 'cancelled'])('refuses a job that is %s', async (status) => {
    const jobId = await enqueue();
    await db.batch([sql`UPDATE jobs SET status = ${status}, finished_at = ${now}`]);

    await expect(db.batch(cancelJob(jobId, EVERYBODY))).rejects.toMatchObject({ code: 'job_state_conflict' });
  });

  test('tells nobody else that there is such a job', async () => {
    const ada = await createUser(db);
    const eve = await createUser(db);
    const jobId = await enqueue({ onBehalfOf: { ownerId: ada.userId, via: 'session', levelCap: 4, groupId: null } });
    const asEve = { all: false, ownerId: eve.userId, pollTokenHash: null };

    await expect(db.batch(cancelJob(jobId, asEve))).rejects.toMatchObject({ code: 'not_found' });
    await expect(db.batch(retryJob(jobId, NOBODY))).rejects.toMatchObject({ code: 'not_found' });
    expect(await row(jobId)).toMatchObject({ status: 'pending', cancel_at: null });
  });
});

describe('retrying', () => {
  test.each(['failed', 'cancelled'])('runs a %s job again with its attempts counted anew', async (status) => {
    const jobId = await enqueue();
    await db.batch([
      sql`UPDATE jobs SET status = ${status}, finished_at = ${now}, attempts = 5, crashes = 3, cancel_at = ${now},
        error = '{}'`,
    ]);

    await db.batch(retryJob(jobId, EVERYBODY));

    expect(await row(jobId)).toMatchObject({
      status: 'pending',
      wait: null,
      attempts: 0,
      crashes: 0,
      cancel_at: null,
      finished_at: null,
      error: null,
    });
  });

  test.each(['pending', 'processing', 'completed'])('refuses a job that is %s', async (status) => {
    const job = await claimedJob();
    if (status === 'pending') await run(settleJob(job, { kind: 'released', delayMs: 0 }));
    if (status === 'completed') await run(settleJob(job, { kind: 'completed', result: null }));

    await expect(db.batch(retryJob(job.jobId, EVERYBODY))).rejects.toMatchObject({ code: 'job_state_conflict' });
    expect(await row(job.jobId)).toMatchObject({ status });
  });

  test('refuses a job that has been run again so often that its timeline makes each change of it slow', async () => {
    const job = await claimedJob();
    await run(settleJob(job, { kind: 'failed', error: ERROR }));
    await run(sql`UPDATE jobs SET timeline = timeline || ${',[1,"retry_asked",null]'.repeat(1_500)}`);

    await expect(db.batch(retryJob(job.jobId, EVERYBODY))).rejects.toMatchObject({ code: 'job_state_conflict' });
  });

  test('refuses a job whose work another one has taken up', async () => {
    const old = await claimedJob({ uniqueKey: 'k' });
    await run(settleJob(old, { kind: 'failed', error: ERROR }));
    await enqueue({ uniqueKey: 'k' });

    await expect(db.batch(retryJob(old.jobId, EVERYBODY))).rejects.toMatchObject({ code: 'job_state_conflict' });
  });
});

describe('19: a unique key', () => {
  test('keeps out a second job while the first waits or runs', async () => {
    const first = await enqueue({ uniqueKey: 'k' });
    await enqueue({ uniqueKey: 'k' });
    await register('w');
    await claim('w');
    await enqueue({ uniqueKey: 'k' });
    await enqueue({ uniqueKey: 'other' });

    const rows = await db.query(sql`SELECT job_id, unique_key FROM jobs ORDER BY seq`);
    expect(rows).toMatchObject([{ job_id: first, unique_key: 'k' }, { unique_key: 'other' }]);
  });

  test.each<[string, (job: ClaimedJob) => Promise<unknown>]>([
    ['completed', (job) => run(settleJob(job, { kind: 'completed', result: null }))],
    ['failed', (job) => run(settleJob(job, { kind: 'failed', error: ERROR }))],
    ['cancelled', (job) => run(settleJob(job, { kind: 'cancelled' }))],
    ['failed by the rescue', (job) => rescueForTheLastTime(job, 'crashes = 2')],
    ['cancelled by the rescue', (job) => rescueForTheLastTime(job, 'cancel_at = 1')],
  ])('is free again when the job has %s, and not before', async (_, end) => {
    const job = await claimedJob({ uniqueKey: 'k' });
    const tooEarly = await enqueue({ uniqueKey: 'k' });
    await end(job);

    const second = await enqueue({ uniqueKey: 'k' });

    expect(await db.query(sql`SELECT 1 FROM jobs WHERE job_id = ${tooEarly}`)).toEqual([]);
    expect(await row(second)).toMatchObject({ status: 'pending' });
  });

  async function rescueForTheLastTime(job: ClaimedJob, change: string): Promise<void> {
    await db.batch([
      { text: `UPDATE jobs SET ${change} WHERE seq = ?`, values: [job.seq] },
      sql`UPDATE workers SET lease_until = 0`,
      rescueJobs(),
    ]);
  }
});

describe('reading jobs', () => {
  test('shows a job to its owner, to the holder of its token and to who administers, to nobody else', async () => {
    const ada = await createUser(db);
    const eve = await createUser(db);
    const adas = await enqueue({ onBehalfOf: { ownerId: ada.userId, via: 'session', levelCap: 4, groupId: null } });
    await db.batch([sql`UPDATE jobs SET poll_token_hash = 'hash'`]);
    const audiences = {
      owner: { all: false, ownerId: ada.userId, pollTokenHash: null },
      token: { all: false, ownerId: null, pollTokenHash: 'hash' },
      admin: EVERYBODY,
      other: { all: false, ownerId: eve.userId, pollTokenHash: 'wrong' },
      nobody: NOBODY,
    };

    const seen = await Promise.all(Object.values(audiences).map((audience) => selectJob(db, adas, audience)));
    const listed = await Promise.all(
      Object.values(audiences).map((audience) =>
        selectJobs(db, audience, { status: null, jobType: null, beforeSeq: null, limit: 5 }),
      ),
    );

    expect(seen.map((job) => job?.jobId)).toEqual([adas, adas, adas, undefined, undefined]);
    expect(listed.map((jobs) => jobs.length)).toEqual([1, 1, 1, 0, 0]);
  });

  test('lists newest first, filtered, and goes on below a position', async () => {
    const ids: string[] = [];
    for (const jobType of ['a', 'b', 'a', 'a']) ids.push(await enqueue({ jobType }));
    await db.batch([sql`UPDATE jobs SET status = 'failed', finished_at = ${now} WHERE job_id = ${ids[2]!}`]);
    const list = async (filter: Partial<Parameters<typeof selectJobs>[2]>) => {
      const all = { status: null, jobType: null, beforeSeq: null, limit: 10 };
      return selectJobs(db, EVERYBODY, { ...all, ...filter });
    };
    const idsOf = (jobs: Awaited<ReturnType<typeof list>>) => jobs.map(({ job }) => ids.indexOf(job.jobId));

    const first = await list({ limit: 2 });
    expect(idsOf(first)).toEqual([3, 2]);
    expect(idsOf(await list({ beforeSeq: first[1]!.seq }))).toEqual([1, 0]);
    expect(idsOf(await list({ jobType: 'a' }))).toEqual([3, 2, 0]);
    expect(idsOf(await list({ status: 'failed' }))).toEqual([2]);
  });
});

describe('an idempotent answer', () => {
  const entry = { caller: 'ada', key: 'k', requestHash: 'h', answer: { job_id: '1' } };

  test('is given again to the caller who got it, with what was asked', async () => {
    await db.batch(insertIdempotentAnswer(entry));

    expect(await selectIdempotentAnswer(db, 'ada', 'k')).toEqual({ requestHash: 'h', answer: { job_id: '1' } });
    expect(await selectIdempotentAnswer(db, 'eve', 'k')).toBeNull();
  });

  test('makes the batch of a second use fail', async () => {
    await db.batch(insertIdempotentAnswer(entry));

    await expect(db.batch(insertIdempotentAnswer(entry))).rejects.toSatisfy(
      (error) => error instanceof ConstraintError && error.kind === 'unique',
    );
  });

  test('is forgotten after 24 hours', async () => {
    await db.batch(insertIdempotentAnswer(entry));
    await db.batch([sql`UPDATE idempotency_keys SET expires_at = expires_at - 24 * 3600000`]);

    expect(await selectIdempotentAnswer(db, 'ada', 'k')).toBeNull();
    await db.batch(insertIdempotentAnswer({ ...entry, requestHash: 'new' }));
    expect(await selectIdempotentAnswer(db, 'ada', 'k')).toMatchObject({ requestHash: 'new' });
  });
});

describe('a document whose first version is being made', () => {
  async function firstVersion() {
    const { documentId, versionId } = await createDocument(db, { status: 'processing' });
    await db.batch([sql`UPDATE documents SET current_version_id = NULL WHERE document_id = ${documentId}`]);
    const job = await claimedJob({ jobType: 'ingest', payload: { version_id: versionId } });
    const status = async () =>
      (await db.query(sql`SELECT status FROM documents WHERE document_id = ${documentId}`))[0]!.status;
    return { documentId, job, status };
  }

  test.each([
    ['fails', (job) => settleJob(job, { kind: 'failed', error: ERROR })],
    ['is cancelled', (job) => settleJob(job, { kind: 'cancelled' })],
  ] satisfies [string, (job: { seq: number; fence: number }) => Statement][])(
    'has failed when its job %s, and is in process again with a retry',
    async (_, end) => {
      const { job, status } = await firstVersion();

      await run(end(job));
      expect(await status()).toBe('failed');

      await db.batch(retryJob(job.jobId, EVERYBODY));
      expect(await status()).toBe('processing');
    },
  );

  test('has failed when its job has killed too many workers', async () => {
    const { job, status } = await firstVersion();
    await db.batch([sql`UPDATE jobs SET crashes = 2`]);

    await crash(job.workerId);

    expect(await status()).toBe('failed');
  });

  test('is still in process while its job is to be tried again', async () => {
    const { job, status } = await firstVersion();

    await run(settleJob(job, { kind: 'retry', error: ERROR, delayMs: 1 }));

    expect(await status()).toBe('processing');
  });

  test('keeps what it has when the job of a later version fails', async () => {
    const { versionId, documentId } = await createDocument(db, { status: 'ready' });
    const job = await claimedJob({ jobType: 'ingest', payload: { version_id: versionId } });

    await run(settleJob(job, { kind: 'failed', error: ERROR }));

    expect(await db.query(sql`SELECT document_id, status FROM documents`)).toEqual([
      { document_id: documentId, status: 'ready' },
    ]);
  });
});
