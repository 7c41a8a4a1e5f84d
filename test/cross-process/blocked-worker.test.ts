import { expect, test } from 'vitest';
import { waitUntil } from '../harness/wait-until.ts';
import { createQueueWorld } from '../harness/worker-process.ts';

test('a worker that a handler blocks beyond its timeout ends, and its jobs are rescued as after any crash', async () => {
  const { enqueue, startWorker, seen } = await createQueueWorld();
  // Longer than the test may take: that the lease runs out is not what frees the jobs.
  const options = { leaseMs: 120_000, jobTimeoutMs: 300, abortGraceMs: 100 };
  const blocked = await startWorker(options);
  const id = await enqueue('deaf_and_blind', { maxAttempts: 1 });

  expect(await blocked.ended).toBe('SIGKILL');
  expect(blocked.log.some(({ event }) => event === 'worker.blocked')).toBe(true);

  await startWorker({ ...options, jobTimeoutMs: 60_000 });
  const [job] = await waitUntil(async () => {
    const rows = await seen(`SELECT status, crashes, error ->> 'code' AS code FROM jobs WHERE job_id = '${id}'`);
    return rows[0]!.status === 'failed' ? rows : null;
  });
  expect(job).toEqual({ status: 'failed', crashes: 1, code: 'worker_lost' });
});
