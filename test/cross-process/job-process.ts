import { jobSubject } from '../../src/access/index.ts';
import { openDatabase } from '../../src/db/open-database.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import type { JobRunDependencies } from '../../src/worker/job-run.ts';
import { followWorker, serveJobs } from '../../src/worker/serve-jobs.ts';
import { testHandlers } from './test-handlers.ts';

/** What `worker-process.ts` and the processes of its jobs open; its arguments are in the environment. */
export async function openTestRuns(): Promise<JobRunDependencies> {
  const { database: db } = await openDatabase({ url: process.env.TEST_DATABASE!, durability: 'normal' });
  return {
    db,
    log: createLogger({ level: process.env.TEST_LOG_LEVEL ?? 'info', service: 'worker' }),
    handlers: testHandlers(db),
    resolveSubject: (job) => jobSubject({ db }, job),
    jobTimeoutMs: Number(process.env.TEST_JOB_TIMEOUT_MS ?? 60_000),
    abortGraceMs: Number(process.env.TEST_ABORT_GRACE_MS ?? 5_000),
  };
}

if (import.meta.main) {
  followWorker();
  if (process.env.TEST_HOST_FAILS === 'yes') process.exit(78);
  serveJobs(await openTestRuns());
}
