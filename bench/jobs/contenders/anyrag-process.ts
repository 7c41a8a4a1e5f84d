import { z } from 'zod';
import { jobSubject } from '../../../src/access/index.ts';
import { openFileDatabase } from '../../../src/db/file-database.ts';
import type { JobHandler } from '../../../src/jobs/index.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';
import { JobRunner } from '../../../src/worker/job-runner.ts';
import { Lease } from '../../../src/worker/lease.ts';
import { WakeUp } from '../../../src/worker/wake-up.ts';
import type { Payload } from '../contender.ts';
import { Record, serveWorker } from '../recorded-worker.ts';
import { CONCURRENCY, JOB_TYPE } from './anyrag.ts';

const path = process.argv[2]!;
const record = new Record();
const handler: JobHandler<Payload> = {
  payload: z.object({ n: z.number(), text: z.string() }),
  run: async ({ n }) => {
    record.note(n);
    return {};
  },
};
const handlers = new Map([[JOB_TYPE, handler as JobHandler]]);
const db = await openFileDatabase({ path, durability: 'normal' });
const log = createLogger({ level: 'silent', service: 'worker' });
const database = { url: path, durability: 'normal' } as const;
const lease = new Lease({ db, database, leaseMs: 30_000, log, queues: null, jobTypes: [JOB_TYPE] });
// As `startWorker`, but the lease is there before the clock starts, as other contenders' connections are.
await lease.start();
const runner = new JobRunner({
  db,
  log,
  handlers,
  resolveSubject: (job) => jobSubject({ db }, job),
  jobTimeoutMs: 60_000,
  abortGraceMs: 5_000,
  lease,
  wakeUp: new WakeUp(db),
  hosts: null,
  queues: null,
  concurrency: CONCURRENCY,
  onStuck: () => {},
  onDatabaseFailed(error) {
    throw error;
  },
});
serveWorker(
  {
    start: () => runner.start(),
    async stop() {
      await runner.stop(5_000);
      await lease.stop();
      await db.close();
    },
  },
  record,
);
