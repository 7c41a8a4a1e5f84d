import { jobSubject } from '../../src/access/index.ts';
import { newId } from '../../src/base/ids.ts';
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { AppError } from '../../src/errors/app-error.ts';
import {
  type ClaimedJob,
  claimJobs,
  insertWorker,
  type JobContext,
  type JobHandler,
  type Outcome,
  outcomeOf,
  requireClaim,
  settleJob,
  toClaimedJob,
  updateProgress,
} from '../../src/jobs/index.ts';

const LEASE_MS = 600_000;

/** Runs every job that is ready now, one after the other, in this process and without a heartbeat. */
export async function runReadyJobs(db: Database, handlers: ReadonlyMap<string, JobHandler>): Promise<void> {
  const workerId = await makeWorker(db);
  while (await runNext(db, handlers, workerId));
}

/** Runs this job before all others, and none of those. */
export async function runJob(db: Database, handlers: ReadonlyMap<string, JobHandler>, jobId: string): Promise<void> {
  await db.batch([sql`UPDATE jobs SET priority = -1 WHERE job_id = ${jobId}`]);
  await runNext(db, handlers, await makeWorker(db));
}

async function makeWorker(db: Database): Promise<string> {
  const workerId = newId();
  await db.batch([insertWorker({ workerId, host: 'test', pid: process.pid, leaseMs: LEASE_MS })]);
  return workerId;
}

async function runNext(db: Database, handlers: ReadonlyMap<string, JobHandler>, workerId: string): Promise<boolean> {
  const [row] = (await db.batch([claimJobs(workerId, 1)]))[0]!;
  if (row === undefined) return false;
  const job = toClaimedJob(row);
  await db.batch([settleJob(job, await runOne(db, handlers, job))]);
  return true;
}

async function runOne(db: Database, handlers: ReadonlyMap<string, JobHandler>, job: ClaimedJob): Promise<Outcome> {
  try {
    const handler = handlers.get(job.jobType);
    const subject = await jobSubject({ db }, job);
    if (handler === undefined || subject === null) throw new AppError('job_type_unknown');
    const context: JobContext = {
      jobId: job.jobId,
      signal: new AbortController().signal,
      subject,
      attempt: job.attempt,
      maxAttempts: job.maxAttempts,
      token: job.jobId,
      log: { info() {}, warn() {} },
      progress: (stage, done, total) => void db.batch([updateProgress(job, { stage, done, total })]),
      write: async (statements) => (await db.batch([requireClaim(job), ...statements])).slice(1),
    };
    return { kind: 'completed', result: await handler.run(handler.payload.parse(job.payload), context) };
  } catch (error) {
    return outcomeOf(error, job.attempt, 0);
  }
}
