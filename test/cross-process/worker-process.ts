import { untilStopped } from '../../src/main/on-stop.ts';
import { startWorker } from '../../src/worker/start-worker.ts';
import { openTestRuns } from './job-process.ts';

/** As `main/worker.ts`, with the handlers of the tests. */
const runs = await openTestRuns();
const stuck = Promise.withResolvers<void>();
const failed = Promise.withResolvers<never>();
const graceMs = Number(process.env.TEST_GRACE_MS ?? 5_000);
const worker = await startWorker({
  ...runs,
  database: { url: process.env.TEST_DATABASE!, durability: 'normal' },
  leaseMs: Number(process.env.TEST_LEASE_MS ?? 10_000),
  queues: null,
  concurrency: Number(process.env.TEST_CONCURRENCY ?? 2),
  hosts: {
    entry: new URL('./job-process.ts', import.meta.url),
    memoryMb: Number(process.env.TEST_MEMORY_MB ?? 512),
  },
  onStuck: stuck.resolve,
  onDatabaseFailed: failed.reject,
});
const stopped = untilStopped(
  async () => {
    await worker.stop(graceMs);
    await runs.db.close();
  },
  { early: stuck.promise },
);
runs.log.info({ event: 'worker.ready', worker_id: worker.lease.workerId }, 'worker ready');

await Promise.race([stopped, failed.promise]);
process.exit(0);
