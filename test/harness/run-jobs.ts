import { jobSubject } from '../../src/access/index.ts';
import { newId } from '../../src/base/ids.ts';
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
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

type Handlers = ReadonlyMap<string, JobHandler>;

/** Runs every job that is ready now, one after the other, in this process and without a heartbeat. */
export async function runReadyJobs(db: Database, handlers: Handlers): Promise<void> {
  const workerId = await makeWorker(db, handlers);
  while (await runNext(db, handlers, workerId));
}

/** Runs this job before all others, and none of those. */
export async function runJob(db: Database, handlers: Handlers, jobId: string): Promise<void> {
  await db.batch([sql`UPDATE jobs SET priority = -1 WHERE job_id = ${jobId}`]);
  await runNext(db, handlers, await makeWorker(db, handlers));
}

async function makeWorker(db: Database, handlers: Handlers): Promise<string> {
  const workerId = newId();
  const jobTypes = [...handlers.keys()];
  await db.batch([
    insertWorker({ workerId, host: 'test', pid: process.pid, leaseMs: LEASE_MS, queues: null, jobTypes }),
  ]);
  return workerId;
}

async function runNext(db: Database, handlers: Handlers, workerId: string): Promise<boolean> {
  const { lines, rated } = await selectRunnable(db, null, [...handlers.keys()]);
  if (lines.length === 0) return false;
  const [rows] = await db.batch([claimJobs(workerId, lines, 1, { rated })]);
  for (const job of rows!.map(toClaimedJob)) await runOne(db, handlers, job);
  return rows!.length > 0;
}

async function runOne(db: Database, handlers: Handlers, job: ReturnType<typeof toClaimedJob>): Promise<void> {
  const log = createLogger({ level: 'silent', service: 'worker' });
  const resolveSubject = (origin: Parameters<typeof jobSubject>[1]) => jobSubject({ db }, origin);
  const run = new JobRun(job, { db, log, handlers, resolveSubject, jobTimeoutMs: 60_000, abortGraceMs: 1_000 });
  await db.batch(settleJobs([{ job, outcome: await run.execute() }]));
}
