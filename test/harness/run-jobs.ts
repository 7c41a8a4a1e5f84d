import { jobSubject } from '../../src/access/index.ts';
import { newId } from '../../src/base/ids.ts';
import type { Database } from '../../src/db/database.ts';
import {
  claimJobs,
  insertWorker,
  type JobHandler,
  selectRunnable,
  settleJobs,
  toClaimedJob,
} from '../../src/jobs/index.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { JobRun } from '../../src/worker/job-run.ts';

const LEASE_MS = 600_000;

/** Runs every job that is ready now, one after the other, in this process and without a heartbeat. */
export async function runReadyJobs(db: Database, handlers: ReadonlyMap<string, JobHandler>): Promise<void> {
  const workerId = newId();
  const jobTypes = [...handlers.keys()];
  const log = createLogger({ level: 'silent', service: 'worker' });
  const limits = { jobTimeoutMs: 60_000, abortGraceMs: 1_000 };
  await db.batch([
    insertWorker({ workerId, host: 'test', pid: process.pid, leaseMs: LEASE_MS, queues: null, jobTypes }),
  ]);
  for (;;) {
    const { lines, rated } = await selectRunnable(db, null, jobTypes);
    if (lines.length === 0) return;
    const [rows] = await db.batch([claimJobs(workerId, lines, 1, { rated })]);
    for (const job of rows!.map(toClaimedJob)) {
      const run = new JobRun(job, {
        db,
        log,
        handlers,
        resolveSubject: (origin) => jobSubject({ db }, origin),
        ...limits,
      });
      await db.batch(settleJobs([{ job, outcome: await run.execute() }]));
    }
  }
}
