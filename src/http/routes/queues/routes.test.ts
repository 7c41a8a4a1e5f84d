import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createTestApp, type TestApp, type TestUser } from '../../../../test/harness/app.ts';
import { queueOn, type TestQueue } from '../../../../test/harness/queue.ts';
import { finishedJob, startTestWorker } from '../../../../test/harness/worker.ts';
import { sql } from '../../../db/sql.ts';
import { type JobHandler, REDRIVE, redriveHandler } from '../../../jobs/index.ts';

let api: TestApp;
let queue: TestQueue;
let ada: TestUser;
let users: Record<'super_admin' | 'operator' | 'auditor' | 'nobody', TestUser>;

beforeAll(async () => {
  api = await createTestApp();
  queue = queueOn(api.db);
  ada = await api.registerUser();
  users = {
    super_admin: await api.registerWithRole('super_admin'),
    operator: await api.registerWithRole('operator'),
    auditor: await api.registerWithRole('auditor'),
    nobody: ada,
  };
});
afterAll(() => api.close());

function post(url: string, as: TestUser | undefined, payload?: object) {
  return api.inject({ method: 'POST', url, as, ...(payload && { payload }) });
}

async function queueNamed(name: string) {
  const { items } = (await api.inject({ url: '/queues', as: users.auditor })).json();
  return items.find((item: { queue: string }) => item.queue === name);
}

function logged(event: string) {
  return api.logLines.map((line) => JSON.parse(line)).filter((line) => line.event === event);
}

describe('who may do what with queues', () => {
  test.each([
    ['super_admin', 200, 200],
    ['operator', 200, 200],
    ['auditor', 200, 403],
    ['nobody', 403, 403],
  ] as const)('%s: seeing is a %i, changing a %i', async (role, seeing, changing) => {
    const as = users[role];
    expect((await api.inject({ url: '/queues', as })).statusCode).toBe(seeing);
    expect((await post('/queues/matrix/pause', as, {})).statusCode).toBe(changing);
    expect((await post('/queues/matrix/resume', as, {})).statusCode).toBe(changing);
    expect((await post('/jobs/redrive', as, { queue: 'none' })).statusCode).toBe(changing === 200 ? 202 : 403);
  });

  test('a guest has to sign in, and an API key is not enough', async () => {
    const key = await api.createKey(users.super_admin, ['read', 'manage']);
    for (const [method, url] of [
      ['GET', '/queues'],
      ['POST', '/queues/matrix/pause'],
      ['POST', '/queues/matrix/resume'],
      ['POST', '/jobs/redrive'],
    ] as const) {
      expect((await api.inject({ method, url })).statusCode).toBe(401);
      expect((await api.inject({ method, url, as: key })).statusCode).toBe(403);
    }
  });
});

describe('pausing and resuming', () => {
  test('a queue and a type of job is shown, and written to the log with who did it', async () => {
    await queue.enqueueAll([{ queue: 'nightly' }, { queue: 'nightly', jobType: 'other' }]);

    const paused = await post('/queues/nightly/pause', users.operator, { job_type: 'work' });
    expect(paused.json()).toEqual({ queue: 'nightly', job_type: 'work', paused: true });
    expect(await queueNamed('nightly')).toEqual({
      queue: 'nightly',
      paused: false,
      job_types: [
        { job_type: 'other', paused: false, pending: 1, processing: 0, recent_wait_ms: null, recent_run_ms: null },
        { job_type: 'work', paused: true, pending: 1, processing: 0, recent_wait_ms: null, recent_run_ms: null },
      ],
    });
    expect(logged('queue.paused').at(-1)).toMatchObject({
      user_id: users.operator.userId,
      queue: 'nightly',
      job_type: 'work',
    });

    expect((await post('/queues/nightly/pause', users.operator, {})).json()).toMatchObject({
      job_type: null,
      paused: true,
    });
    expect((await queueNamed('nightly')).paused).toBe(true);
    await post('/queues/nightly/resume', users.operator, {});
    await post('/queues/nightly/resume', users.operator, { job_type: 'work' });
    expect(await queueNamed('nightly')).toMatchObject({
      paused: false,
      job_types: [{ paused: false }, { paused: false }],
    });
    expect(logged('queue.resumed').at(-1)).toMatchObject({ user_id: users.operator.userId, queue: 'nightly' });
  });

  test.each([{ job_type: '' }, { job_type: '*' }, { job_type: 7 }, { jobtype: 'x' }])(
    '%j is a 400',
    async (payload) => {
      expect((await post('/queues/nightly/pause', users.operator, payload)).json().code).toBe('validation_failed');
    },
  );
});

describe('redriving', () => {
  test('is left to a job, which runs the failed jobs that fit again and says how many', async () => {
    await queue.enqueueAll([{ queue: 'dead' }, { queue: 'dead' }, { queue: 'dead', jobType: 'other' }]);
    await api.execute(sql`UPDATE jobs SET status = 'failed', finished_at = 1767225600000,
      error = '{"code":"fetch_failed","message":"","retryable":true}' WHERE queue = 'dead'`);
    const handlers = new Map([[REDRIVE, redriveHandler({ db: api.db }) as JobHandler]]);
    const worker = await startTestWorker({ db: api.db, url: api.db.path!, handlers });
    onTestFinished(() => worker.stop());
    const redriven = async (payload: object) => {
      const accepted = await post('/jobs/redrive', users.operator, payload);
      const { job_id, status_url } = accepted.json();
      expect(accepted.headers.location).toBe(status_url);
      await finishedJob(api.db, job_id);
      const job = (await api.inject({ url: status_url, as: users.operator })).json();
      return { job_id, result: job.result };
    };

    expect(await redriven({ queue: 'dead', code: 'no_text' })).toMatchObject({ result: { redriven: 0 } });
    expect(await redriven({ queue: 'dead', failed_after: '2026-01-01T00:00:01Z' })).toMatchObject({
      result: { redriven: 0 },
    });
    const filter = { queue: 'dead', job_type: 'work', code: 'fetch_failed', failed_after: '2026-01-01T01:00:00+01:00' };
    const some = await redriven(filter);
    expect(some).toMatchObject({ result: { redriven: 2 } });
    expect(logged('jobs.redrive').at(-1)).toMatchObject({
      user_id: users.operator.userId,
      filter,
      job_id: some.job_id,
    });
    expect(await redriven({})).toMatchObject({ result: { redriven: 1 } });
  });

  test.each([undefined, { failed_after: 'yesterday' }, { queue: '' }, { status: 'failed' }])(
    '%j is a 400',
    async (payload) => {
      expect((await post('/jobs/redrive', users.operator, payload)).json().code).toBe('validation_failed');
    },
  );
});

describe('a job by itself', () => {
  const onBehalfOf = () => ({ ownerId: ada.userId, via: 'session', levelCap: 4, groupId: null }) as const;

  test('says where it stands, what it waits for and what has happened to it', async () => {
    const [first, second] = await queue.enqueueAll([
      { queue: 'line', onBehalfOf: onBehalfOf(), priority: 3 },
      { queue: 'line', onBehalfOf: onBehalfOf(), priority: 3 },
    ]);

    const job = (await api.inject({ url: `/jobs/${second}`, as: ada })).json();
    expect(job).toMatchObject({
      queue: 'line',
      priority: 3,
      reason: 'no_worker',
      parent_id: null,
      open_children: 0,
      place: 2,
      recent_wait_ms: null,
      timeline: [{ event: 'enqueued', detail: null, at: job.created_at }],
    });
    await post(`/jobs/${first}/cancel`, ada);
    const cancelled = (await api.inject({ url: `/jobs/${first}`, as: ada })).json();
    expect(cancelled).toMatchObject({ reason: null, place: null });
    expect(cancelled.timeline.map(({ event }: { event: string }) => event)).toEqual(['enqueued', 'cancel_asked']);
  });

  test('shows what it has said, page by page, to those who may see it', async () => {
    const id = await queue.enqueue({ queue: 'talk', onBehalfOf: onBehalfOf() });
    const { seq } = await queue.row(id);
    const messages = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    await api.execute(sql`INSERT INTO job_logs (seq, n, at, level, message)
      SELECT ${seq!}, key, key, 'info', value FROM json_each(${JSON.stringify(messages)})`);
    const page = async (query: string, as: TestUser | undefined = ada) =>
      api.inject({ url: `/jobs/${id}/logs${query}`, as });

    const first = (await page('?limit=4')).json();
    expect(first.items[0]).toEqual({ at: expect.any(String), level: 'info', message: 'a' });
    const second = (await page(`?limit=4&cursor=${first.next_cursor}`)).json();
    expect([...first.items, ...second.items].map(({ message }: { message: string }) => message)).toEqual(messages);
    expect(second.next_cursor).toBeNull();

    expect((await page('', users.operator)).statusCode).toBe(200);
    expect((await page('', await api.registerUser())).statusCode).toBe(404);
    expect((await api.inject({ url: '/jobs/none/logs', as: ada })).statusCode).toBe(404);
    expect((await page('?cursor=x')).json().code).toBe('invalid_cursor');
  });
});
