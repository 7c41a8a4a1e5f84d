import type { OpenDatabaseOptions } from '../db/open-database.ts';
import type { AppError } from '../errors/app-error.ts';
import { JobHostPool, type JobHostPoolOptions } from './job-host-pool.ts';
import type { JobRunDependencies } from './job-run.ts';
import { JobRunner } from './job-runner.ts';
import { Lease } from './lease.ts';
import { WakeUp } from './wake-up.ts';

export interface WorkerOptions extends JobRunDependencies {
  /** Of the same database, for the thread that extends the lease. */
  database: OpenDatabaseOptions;
  leaseMs: number;
  /** Null: every queue. */
  queues: readonly string[] | null;
  /** Jobs at a time. */
  concurrency: number;
  /** Processes for the jobs of isolated types; null: they run in this process. */
  hosts: Pick<JobHostPoolOptions, 'entry' | 'memoryMb'> | null;
  /** Called once when a handler in this process goes on although it was told to stop: the process should be replaced. */
  onStuck(): void;
  /** Called once when a database file fails (full, damaged, deleted): the process should end with an error. */
  onDatabaseFailed(error: AppError): void;
}

export interface RunningWorker {
  readonly lease: Lease;
  /**
   * Stops claiming, lets running jobs finish for most of `graceMs`, gives back the rest, and ends the processes of the jobs
   * and the lease. May be called twice.
   */
  stop(graceMs: number): Promise<void>;
}

/** Of the time to stop: what is left is for the outcomes to be stored and the processes to be ended. */
const DRAIN_SHARE = 0.75;
const END_SHARE = 0.1;

/** A worker that claims and runs jobs until it is stopped. */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { db, log, queues, handlers, concurrency, abortGraceMs } = options;
  const serves = { queues, jobTypes: [...handlers.keys()] };
  const lease = new Lease({ db, database: options.database, leaseMs: options.leaseMs, log, ...serves });
  const hosts =
    options.hosts &&
    new JobHostPool({
      ...options.hosts,
      ...(options.metrics && { metrics: options.metrics }),
      log,
      size: concurrency,
      abortGraceMs,
    });
  const runner = new JobRunner({ ...options, lease, hosts, wakeUp: new WakeUp(db) });
  await lease.start();
  runner.start();

  async function stop(graceMs: number): Promise<void> {
    await runner.stop(graceMs * DRAIN_SHARE);
    await hosts?.stop(graceMs * END_SHARE);
    await lease.stop();
  }
  let stopped: Promise<void> | null = null;
  return {
    lease,
    stop(graceMs) {
      stopped ??= stop(graceMs);
      return stopped;
    },
  };
}
