import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { createTestDatabase } from '../../../test/harness/database.ts';
import { queueOn } from '../../../test/harness/queue.ts';
import { waitUntil } from '../../../test/harness/wait-until.ts';
import { finishedJob, jobById, startTestWorker } from '../../../test/harness/worker.ts';
import { sql } from '../../db/sql.ts';
import type { JobHandler } from '../handler.ts';
import { pauseJobs, resumeJobs, selectQueueNames, selectQueues, WHOLE_QUEUE } from './queries.ts';

async function world() {
  const { db, url, close } = await createTestDatabase();
  onTestFinished(close);
  return { db, url, queue: queueOn(db) };
}

/** A worker that runs jobs of the types `work` and `other`, those with `held` in their payload until they are let go. */
async function work({ db, url }: Awaited<ReturnType<typeof world>>) {
  const letGo = Promise.withResolvers<void>();
  const handler: JobHandler<{ held?: boolean | undefined }> = {
    payload: z.object({ held: z.boolean().optional() }),
    async run({ held }) {
      if (held) await letGo.promise;
      return {};
    },
  };
  const handlers = new Map([
    ['work', handler as JobHandler],
    ['other', handler as JobHandler],
  ]);
  const worker = await startTestWorker({ db, url, handlers, concurrency: 2 });
  onTestFinished(() => worker.stop(0));
  return { letGo: letGo.resolve };
}

describe('a paused queue', () => {
  test('lets its jobs wait, who say so, until it is resumed; other queues go on', async () => {
    const here = await world();
    const { db, queue } = here;
    await queue.run(pauseJobs('default', WHOLE_QUEUE));
    await work(here);
    const [waiting, elsewhere] = await queue.enqueueAll([{}, { queue: 'fast' }]);

    await finishedJob(db, elsewhere!);
    expect(await jobById(db, waiting!)).toMatchObject({ status: 'pending', reason: 'paused', startedAt: null });

    await queue.run(resumeJobs('default', WHOLE_QUEUE));
    expect(await finishedJob(db, waiting!)).toMatchObject({ status: 'completed', reason: null });
  });

  test('lets a running job finish', async () => {
    const here = await world();
    const { db, queue } = here;
    const { letGo } = await work(here);
    const running = await queue.enqueue({ payload: { held: true } });
    await waitUntil(async () => (await jobById(db, running)).status === 'processing');

    await queue.run(pauseJobs('default', WHOLE_QUEUE));
    letGo();

    expect(await finishedJob(db, running)).toMatchObject({ status: 'completed' });
  });

  test('takes its pause to what comes due, is retried or is taken over meanwhile', async () => {
    const here = await world();
    const { db, queue } = here;
    const delayed = await queue.enqueue({ delayMs: 60_000 });
    const suspect = await queue.enqueue();
    await queue.register('doomed');
    await queue.claim('doomed');
    await queue.run(pauseJobs('default', WHOLE_QUEUE));
    await queue.die('doomed');
    await queue.passTime();
    await work(here);
    await finishedJob(db, await queue.enqueue({ queue: 'fast' }));

    expect(await jobById(db, delayed)).toMatchObject({ status: 'pending', reason: 'paused' });
    expect(await jobById(db, suspect)).toMatchObject({ status: 'pending', reason: 'paused' });
    await queue.run(resumeJobs('default', WHOLE_QUEUE));
    expect(await finishedJob(db, delayed)).toMatchObject({ status: 'completed' });
    expect(await finishedJob(db, suspect)).toMatchObject({ status: 'completed' });
  });
});

describe('a paused type', () => {
  test('waits while other types of its queue, and the type in other queues, go on', async () => {
    const here = await world();
    const { db, queue } = here;
    await queue.run(pauseJobs('default', 'work'));
    await work(here);
    const [paused, other, elsewhere] = await queue.enqueueAll([{}, { jobType: 'other' }, { queue: 'fast' }]);

    await finishedJob(db, other!);
    await finishedJob(db, elsewhere!);
    expect(await jobById(db, paused!)).toMatchObject({ status: 'pending', reason: 'paused' });

    await queue.run(resumeJobs('default', 'work'));
    expect(await finishedJob(db, paused!)).toMatchObject({ status: 'completed' });
  });

  test('stays paused when its queue is resumed, and the queue when the type is', async () => {
    const here = await world();
    const { db, queue } = here;
    await queue.run(pauseJobs('default', 'work'), pauseJobs('default', WHOLE_QUEUE));
    await queue.run(pauseJobs('default', 'work'));
    const job = await queue.enqueue();

    await queue.run(resumeJobs('default', WHOLE_QUEUE));
    expect(await jobById(db, job)).toMatchObject({ reason: 'paused' });
    await queue.run(pauseJobs('default', WHOLE_QUEUE), resumeJobs('default', 'work'));
    expect(await jobById(db, job)).toMatchObject({ reason: 'paused' });
    await queue.run(resumeJobs('default', WHOLE_QUEUE));
    expect(await jobById(db, job)).toMatchObject({ reason: 'no_worker' });
  });

  test('with a rate keeps no start of its rate from others', async () => {
    const { queue } = await world();
    const rate = { key: 'provider', intervalMs: 1_000, burst: 10 };
    const [first, second] = await queue.enqueueAll([{ rate }, { jobType: 'other', rate }]);
    await queue.register('w');
    await queue.run(pauseJobs('default', 'work'));

    expect((await queue.claim('w')).map(({ jobId }) => jobId)).toEqual([second]);
    await queue.run(resumeJobs('default', 'work'));
    expect((await queue.claim('w')).map(({ jobId }) => jobId)).toEqual([first]);
  });
});

describe('the list of queues', () => {
  test('counts what lives, whatever it waits for, and names what is paused', async () => {
    const { db, queue } = await world();
    await queue.register('w');
    const [parent] = await queue.enqueueAll([
      { queue: 'q', priority: -1 },
      { queue: 'q', priority: -1 },
    ]);
    await queue.claim('w');
    await queue.run(
      sql`UPDATE jobs SET status = 'pending', worker_id = NULL, wait = 'children' WHERE job_id = ${parent!}`,
    );
    await queue.enqueueAll([
      { queue: 'q' },
      { queue: 'q', delayMs: 60_000 },
      { queue: 'q', rate: { key: 'r', intervalMs: 1_000 } },
      { queue: 'q', limit: { key: 'l', max: 1 } },
      { queue: 'q', limit: { key: 'l', max: 1 } },
      { queue: 'q', jobType: 'other' },
    ]);
    await queue.run(pauseJobs('q', 'other'), pauseJobs('q', 'unseen'), pauseJobs('empty', WHOLE_QUEUE));

    const none = { queue: 'q', processing: 0, recentWaitMs: null, recentRunMs: null };
    expect(await selectQueues(db)).toEqual([
      { ...none, jobType: 'other', pending: 1, paused: true },
      { ...none, jobType: 'unseen', pending: 0, paused: true },
      { ...none, jobType: 'work', pending: 6, processing: 1, paused: false },
    ]);
    expect(await selectQueueNames(db)).toEqual([
      { queue: 'default', paused: false },
      { queue: 'empty', paused: true },
      { queue: 'q', paused: false },
    ]);
  });
});
