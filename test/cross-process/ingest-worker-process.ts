import { untilStopped } from '../../src/main/on-stop.ts';
import { startWorker } from '../../src/worker/start-worker.ts';
import { openIngestRuns } from './ingest-job-process.ts';

/** As `main/worker.ts`, with one job at a time, so that several workers share what there is. */
const runs = await openIngestRuns((db) => db);
const stuck = Promise.withResolvers<void>();
const failed = Promise.withResolvers<never>();
const worker = await startWorker({
  ...runs,
  database: { url: process.env.TEST_DATABASE!, durability: 'normal' },
  leaseMs: Number(process.env.TEST_LEASE_MS),
  queues: null,
  concurrency: 1,
  hosts: { entry: new URL('./ingest-job-process.ts', import.meta.url), memoryMb: 1_024 },
  onStuck: stuck.resolve,
  onDatabaseFailed: failed.reject,
});
const stopped = untilStopped(
  async () => {
    await worker.stop(1_000);
    await runs.db.close();
  },
  { early: stuck.promise },
);
runs.log.info({ event: 'worker.ready', worker_id: worker.lease.workerId }, 'worker ready');

await Promise.race([stopped, failed.promise]);
process.exit(0);
