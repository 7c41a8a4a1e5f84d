import { jobSubject } from '../../src/access/index.ts';
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { type Job, type JobHandler, selectJob } from '../../src/jobs/index.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { JobRunner } from '../../src/worker/job-runner.ts';
import { Lease } from '../../src/worker/lease.ts';
import { WakeUp } from '../../src/worker/wake-up.ts';
import { waitUntil } from './wait-until.ts';

export interface TestWorker {
  readonly lease: Lease;
  /** Lets running jobs finish for `graceMs` (1 s). May be called twice. */
  stop(graceMs?: number): Promise<void>;
}

export interface TestWorkerOptions {
  db: Database;
  /** Of the database file, for the thread that extends the lease. */
  path: string;
  handlers: ReadonlyMap<string, JobHandler>;
  concurrency?: number;
  leaseMs?: number;
  jobTimeoutMs?: number;
  queues?: readonly string[];
  abortGraceMs?: number;
  onStuck?: () => void;
}

/** The worker of `main/worker.ts` in this process. */
export async function startTestWorker(options: TestWorkerOptions): Promise<TestWorker> {
  const { db, path, handlers } = options;
  const log = createLogger({ level: 'silent', service: 'worker' });
  const lease = new Lease({
    db,
    database: { url: path, durability: 'normal' },
    leaseMs: options.leaseMs ?? 10_000,
    log,
    queues: options.queues ?? null,
    jobTypes: [...handlers.keys()],
  });
  const runner = new JobRunner({
    db,
    log,
    lease,
    wakeUp: new WakeUp(db),
    handlers,
    resolveSubject: (job) => jobSubject({ db }, job),
    concurrency: options.concurrency ?? 1,
    jobTimeoutMs: options.jobTimeoutMs ?? 60_000,
    queues: options.queues ?? null,
    abortGraceMs: options.abortGraceMs ?? 5_000,
    onStuck: options.onStuck ?? (() => {}),
  });
  await lease.start();
  runner.start();
  let stopped: Promise<void> | null = null;
  return {
    lease,
    stop(graceMs = 1_000) {
      stopped ??= runner.stop(graceMs).then(() => lease.stop());
      return stopped;
    },
  };
}

const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };

export async function jobById(db: Database, jobId: string): Promise<Job> {
  const job = await selectJob(db, jobId, EVERYBODY);
  if (job === null) throw new Error(`there is no job ${jobId}`);
  return job;
}

/** The job once it has ended. Its delays pass at once: the rows are backdated. */
export function finishedJob(db: Database, jobId: string): Promise<Job> {
  return waitUntil(async () => {
    const job = await jobById(db, jobId);
    if (job.finishedAt !== null) return job;
    if (job.status === 'pending' && job.runAt > Date.now()) await makeDue(db, jobId);
    return null;
  }, `the end of job ${jobId}`);
}

export async function makeDue(db: Database, jobId: string): Promise<void> {
  await db.batch([sql`UPDATE jobs SET run_at = 0 WHERE job_id = ${jobId} AND status = 'pending'`]);
}
