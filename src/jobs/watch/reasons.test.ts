import { beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../../test/harness/database.ts';
import { queueOn, type TestQueue } from '../../../test/harness/queue.ts';
import { jobById } from '../../../test/harness/worker.ts';
import type { Database } from '../../db/database.ts';
import { now, sql } from '../../db/sql.ts';
import { cancelJob, pauseJobs, retryJob, WHOLE_QUEUE } from '../control/queries.ts';
import type { JobError } from '../job.ts';
import { insertWorker, recordPace } from '../queries.ts';
import { selectJobLog, selectPlace, selectTimeline } from './queries.ts';

const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };
const NOBODY = { all: false, ownerId: null, pollTokenHash: null };
const ERROR: JobError = { code: 'fetch_failed', message: 'It failed', retryable: true };

let db: Database;
let queue: TestQueue;

beforeEach(async () => {
  const created = await createTestDatabase();
  db = created.db;
  queue = queueOn(db);
  return created.close;
});

async function reason(jobId: string): Promise<string | null> {
  return (await jobById(db, jobId)).reason;
}

describe('the reason why a job does not run', () => {
  test('is its time, its key, its rate, a pause, or the line', async () => {
    await queue.register('w');
    const limit = { key: 'k', max: 1 };
    const rate = { key: 'r', intervalMs: 60_000 };
    const [scheduled, first, keyed, rated] = await queue.enqueueAll([
      { delayMs: 60_000 },
      { limit, priority: -1 },
      { limit },
      { rate },
    ]);

    expect(await reason(scheduled!)).toBe('scheduled');
    expect(await reason(first!)).toBe('in_line');
    expect(await reason(keyed!)).toBe('waiting_for_key');
    expect(await reason(rated!)).toBe('waiting_for_rate');
    await queue.claim('w', 1);
    expect(await reason(first!)).toBeNull();
    await queue.run(pauseJobs('default', WHOLE_QUEUE));
    expect(await reason(await queue.enqueue())).toBe('paused');
  });

  test('is its children, until the last of them has ended', async () => {
    await queue.register('w');
    const parent = await queue.enqueue();
    const [claimed] = await queue.claim('w');
    const child = await queue.enqueue({ parentId: parent });
    await queue.run(sql`UPDATE jobs SET open_children = 1 WHERE job_id = ${parent}`);
    await queue.settle(claimed!, { kind: 'parked' });
    expect(await jobById(db, parent)).toMatchObject({ reason: 'waiting_for_children', openChildren: 1 });

    const [claimedChild] = await queue.claim('w');
    expect(claimedChild!.jobId).toBe(child);
    await queue.settle(claimedChild!, { kind: 'failed', error: ERROR });

    expect(await jobById(db, parent)).toMatchObject({ reason: 'in_line', openChildren: 0 });
  });

  test('is that no live worker serves its queue and type', async () => {
    const ids = await queue.enqueueAll([{}, { queue: 'q' }, { jobType: 'other' }]);
    const reasons = () => Promise.all(ids.map(reason));
    expect(await reasons()).toEqual(['no_worker', 'no_worker', 'no_worker']);

    const row = { host: 'h', pid: 1, leaseMs: 60_000 };
    await queue.run(insertWorker({ ...row, workerId: 'a', queues: ['default', 'x'], jobTypes: ['work'] }));
    expect(await reasons()).toEqual(['in_line', 'no_worker', 'no_worker']);
    await queue.run(insertWorker({ ...row, workerId: 'b', queues: null, jobTypes: ['work', 'other'] }));
    expect(await reasons()).toEqual(['in_line', 'in_line', 'in_line']);
    await queue.run(sql`UPDATE workers SET lease_until = ${now} - 1`);
    expect(await reasons()).toEqual(['no_worker', 'no_worker', 'no_worker']);
  });

  test('is none for a job that runs or has ended', async () => {
    await queue.register('w');
    const job = await queue.enqueue();
    const [claimed] = await queue.claim('w');
    expect(await reason(job)).toBeNull();
    await queue.settle(claimed!, { kind: 'completed', result: {} });
    expect(await reason(job)).toBeNull();
  });
});

describe('the place in line', () => {
  test('counts the jobs of the same queue and type that come first, by priority and turn', async () => {
    const normal = await queue.enqueueAll([{}, {}, {}]);
    const [urgent] = await queue.enqueueAll([
      { priority: -1 },
      { jobType: 'other', priority: -9 },
      { queue: 'q', priority: -9 },
    ]);
    const place = async (jobId: string) => (await selectPlace(db, jobId, EVERYBODY))?.place;

    expect(await place(urgent!)).toBe(1);
    expect(await Promise.all(normal.map(place))).toEqual([2, 3, 4]);

    await queue.register('w');
    await queue.claim('w', 3);
    expect(await place(urgent!)).toBeUndefined();
    expect(await Promise.all(normal.map(place))).toEqual([1, 2, 3]);
  });

  test('says how long others have waited of late', async () => {
    const job = await queue.enqueue();
    expect(await selectPlace(db, job, EVERYBODY)).toEqual({ place: 1, recentWaitMs: null });

    const line = { queue: 'default', jobType: 'work' };
    await queue.run(recordPace(line, 1_000, 10), recordPace(line, 2_000, 10));

    expect(await selectPlace(db, job, EVERYBODY)).toEqual({ place: 1, recentWaitMs: 1_300 });
  });

  test('of jobs that wait for their key is that among them, whatever their type', async () => {
    const limit = { key: 'k', max: 1 };
    const jobs = await queue.enqueueAll([{ limit }, { limit }, { limit, jobType: 'other' }, { limit, priority: -1 }]);
    await queue.enqueueAll([{ limit: { key: 'l', max: 1 } }, { limit: { key: 'l', max: 1 } }]);
    const place = async (jobId: string) => (await selectPlace(db, jobId, EVERYBODY))?.place;

    expect(await Promise.all(jobs.map(place))).toEqual([1, 2, 3, 1]);
  });

  test('is counted up to a thousand', async () => {
    const ids = await queue.enqueueAll(Array.from({ length: 1_100 }, () => ({})));
    expect(await selectPlace(db, ids[999]!, EVERYBODY)).toMatchObject({ place: 1_000 });
    expect(await selectPlace(db, ids[1_050]!, EVERYBODY)).toMatchObject({ place: 1_001 });
  });

  test('is none for a job that waits for something else, and for whoever may not see the job', async () => {
    const [delayed, job] = await queue.enqueueAll([{ delayMs: 60_000 }, {}]);
    expect(await selectPlace(db, delayed!, EVERYBODY)).toBeNull();
    expect(await selectPlace(db, job!, NOBODY)).toBeNull();
  });
});

describe('the timeline', () => {
  async function events(jobId: string) {
    const timeline = (await selectTimeline(db, jobId, EVERYBODY))!;
    expect(timeline.map(({ at }) => at)).toEqual(timeline.map(({ at }) => at).toSorted((a, b) => a - b));
    return timeline.map(({ event, detail }) => (detail === null ? event : `${event} ${detail}`));
  }

  test('tells of a retry, a snooze, a rescue and a cancel in their order', async () => {
    const job = await queue.enqueue();
    await queue.register('a');
    await queue.register('b');

    const [first] = await queue.claim('a');
    await queue.settle(first!, { kind: 'retry', error: ERROR, delayMs: 0 });
    await queue.passTime();
    const [second] = await queue.claim('a');
    await queue.settle(second!, { kind: 'released', delayMs: 5_000 });
    await queue.passTime();
    await queue.claim('a');
    await queue.die('a');
    await queue.passTime();
    const [last] = await queue.claim('b');
    await queue.run(...cancelJob(job, EVERYBODY));
    await queue.settle(last!, { kind: 'cancelled' });

    expect(await events(job)).toEqual([
      'enqueued',
      'claimed a',
      'attempt_failed fetch_failed',
      'claimed a',
      'released',
      'claimed a',
      'crashed a',
      'claimed b',
      'cancel_asked',
      'cancelled',
    ]);
  });

  test('tells of the end, and of a new beginning', async () => {
    const job = await queue.enqueue();
    await queue.register('w');
    const [first] = await queue.claim('w');
    await queue.settle(first!, { kind: 'failed', error: ERROR });
    await queue.run(...retryJob(job, EVERYBODY));
    const [second] = await queue.claim('w');
    await queue.settle(second!, { kind: 'completed', result: {} });

    expect(await events(job)).toEqual([
      'enqueued',
      'claimed w',
      'failed fetch_failed',
      'retry_asked',
      'claimed w',
      'completed',
    ]);
  });

  test('stays in bounds however often a job is snoozed, and still tells how it ended', async () => {
    const job = await queue.enqueue();
    await queue.register('w');
    for (let i = 0; i < 200; i++) {
      const [claimed] = await queue.claim('w');
      await queue.settle(claimed!, { kind: 'released', delayMs: 0 });
    }
    const [last] = await queue.claim('w');
    await queue.settle(last!, { kind: 'completed', result: {} });

    expect(((await queue.row(job)).timeline as string).length).toBeLessThan(8_500);
    expect((await events(job)).at(-1)).toBe('completed');
  });

  test('is for those who may see the job', async () => {
    const job = await queue.enqueue();
    expect(await selectTimeline(db, job, NOBODY)).toBeNull();
    expect(await selectJobLog(db, job, NOBODY, { afterN: -1, limit: 10 })).toBeNull();
  });
});
