import { jobSubject } from '../../src/access/index.ts';
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { type Job, type JobHandler, selectJob } from '../../src/jobs/index.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import type { Metrics } from '../../src/telemetry/metrics.ts';
import type { Lease } from '../../src/worker/lease.ts';
import { startWorker } from '../../src/worker/start-worker.ts';
import { waitUntil } from './wait-until.ts';

export interface TestWorker {
  readonly lease: Lease;
  /** Lets running jobs finish for `graceMs` (1 s). May be called twice. */
  stop(graceMs?: number): Promise<void>;
}

export interface TestWorkerOptions {
  db: Database;
  /** Of the database, for the thread that extends the lease. */
  url: string;
  handlers: ReadonlyMap<string, JobHandler>;
  concurrency?: number;
  leaseMs?: number;
  jobTimeoutMs?: number;
  queues?: readonly string[];
  abortGraceMs?: number;
  onStuck?: () => void;
  /** Default: nothing is measured. */
  metrics?: Metrics;
}

/** The worker of `main/worker.ts` in this process, isolated jobs included. */
export async function startTestWorker(options: TestWorkerOptions): Promise<TestWorker> {
  const { db, url } = options;
  const worker = await startWorker({
    database: { url, durability: 'normal' },
    log: createLogger({ level: 'silent', service: 'worker' }),
    resolveSubject: (job) => jobSubject({ db }, job),
    leaseMs: 10_000,
    concurrency: 1,
    jobTimeoutMs: 60_000,
    queues: null,
    abortGraceMs: 5_000,
    hosts: null,
    onStuck: () => {},
    onDatabaseFailed: () => {},
    ...options,
  });
  return { lease: worker.lease, stop: (graceMs = 1_000) => worker.stop(graceMs) };
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
