import type { Subject } from '../access/index.ts';
import type { Database, Row, Statement } from '../db/database.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import {
  type ClaimedJob,
  claimJobs,
  type JobHandler,
  type Outcome,
  outcomeOf,
  promoteDueJobs,
  releaseUnheld,
  requireClaim,
  rescueJobs,
  settleJob,
  toClaimedJob,
  updateProgress,
} from '../jobs/index.ts';
import { activeTrace, type Logger } from '../telemetry/logger.ts';
import { continueTrace, newTrace } from '../telemetry/trace-context.ts';
import { JobProgressWriter } from './job-progress.ts';
import type { Lease } from './lease.ts';
import type { WakeUp } from './wake-up.ts';

export interface JobRunnerDependencies {
  db: Database;
  log: Logger;
  lease: Lease;
  wakeUp: WakeUp;
  handlers: ReadonlyMap<string, JobHandler>;
  /** Null when the account is gone or disabled. */
  resolveSubject(job: Pick<ClaimedJob, 'ownerId' | 'via' | 'levelCap'>): Promise<Subject | null>;
  concurrency: number;
  jobTimeoutMs: number;
}

interface RunningJob {
  job: ClaimedJob;
  abort: AbortController;
}

/**
 * Claims jobs and runs them. Every cycle is one transaction that settles what has ended, promotes timers, rescues the jobs
 * of dead workers and claims as many jobs as there are free slots.
 */
export class JobRunner {
  readonly #deps: JobRunnerDependencies;
  readonly #running = new Map<string, RunningJob>();
  /** Ended jobs whose outcome is not stored yet; kept until a transaction with it has committed. */
  #unsettled: { job: ClaimedJob; outcome: Outcome }[] = [];
  #stopping = false;
  #loop: Promise<void> | null = null;
  #graceIsOver = false;
  #reconcileNext = false;

  constructor(deps: JobRunnerDependencies) {
    this.#deps = deps;
    deps.lease.onLost(() => this.#abortAll(new AppError('lease_lost')));
    deps.lease.onCancel((seq, fence) =>
      this.#running.get(`${seq}:${fence}`)?.abort.abort(new AppError('job_cancelled')),
    );
    deps.lease.onBeat(() => {
      this.#reconcileNext = true;
      deps.wakeUp.now();
    });
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /**
   * Stops claiming, lets running jobs finish for `graceMs` and stores what became of them, then gives back the rest with
   * their attempt refunded.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#deps.wakeUp.now();
    const timer = setTimeout(() => {
      this.#graceIsOver = true;
      this.#giveBackRunning();
      this.#deps.wakeUp.now();
    }, graceMs);
    await this.#loop;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    while (!this.#isDone()) {
      try {
        await this.#cycle();
        if (!this.#isDone()) await this.#deps.wakeUp.wait({ mayClaim: this.#mayClaim() });
      } catch (error) {
        // What could not be written is still in #unsettled and goes with the next cycle.
        this.#deps.log.error({ event: 'worker.cycle_failed', err: error }, 'a worker cycle failed');
        // Others rescue what this process does not give back.
        if (this.#graceIsOver) return;
        this.#reconcileNext = true;
        await this.#deps.wakeUp.pause();
      }
    }
  }

  #isDone(): boolean {
    return this.#stopping && this.#running.size === 0 && this.#unsettled.length === 0;
  }

  async #cycle(): Promise<void> {
    // A copy: jobs that end while the transaction runs are not in it.
    const settling = [...this.#unsettled];
    const before = [...settling.map(({ job, outcome }) => settleJob(job, outcome)), ...this.#reconciliation(settling)];
    const claiming = this.#claim();
    if (before.length + claiming.length === 0) return;
    const results = await this.#deps.db.batch([...before, ...claiming]);
    this.#unsettled = this.#unsettled.filter((entry) => !settling.includes(entry));
    for (const [index, { job, outcome }] of settling.entries()) {
      if (results[index]!.length === 0) this.#reportStale(job, outcome);
    }
    const [rescued = [], , claimed = []] = results.slice(before.length);
    for (const row of rescued) this.#reportRescued(row);
    this.#beginAll(claimed.map(toClaimedJob));
  }

  #reconciliation(settling: readonly { job: ClaimedJob }[]): Statement[] {
    const { workerId } = this.#deps.lease;
    if (!this.#reconcileNext || workerId === null) return [];
    this.#reconcileNext = false;
    const held = [...this.#running.values(), ...settling].map(({ job }) => job.seq);
    return [releaseUnheld(workerId, held)];
  }

  #claim(): Statement[] {
    const { workerId } = this.#deps.lease;
    if (workerId === null || !this.#mayClaim()) return [];
    return [rescueJobs(), promoteDueJobs(), claimJobs(workerId, this.#freeSlots())];
  }

  /** RETURNING has no order of its own. */
  #beginAll(claimed: (ClaimedJob & { priority: number })[]): void {
    claimed.sort((a, b) => a.priority - b.priority || a.seq - b.seq);
    for (const job of claimed) {
      if (this.#stopping) this.#giveBack(job);
      else this.#begin(job);
    }
  }

  #giveBack(job: ClaimedJob): void {
    this.#unsettled.push({ job, outcome: { kind: 'released', delayMs: 0 } });
  }

  #giveBackRunning(): void {
    for (const { job } of this.#running.values()) this.#giveBack(job);
    this.#abortAll(new AppError('lease_lost', 'The worker is stopping'));
  }

  /** Without a lease there is nothing to ask for: the next one wakes the loop. */
  #mayClaim(): boolean {
    return !this.#stopping && this.#freeSlots() > 0 && this.#deps.lease.workerId !== null;
  }

  #freeSlots(): number {
    return this.#deps.concurrency - this.#running.size;
  }

  #begin(job: ClaimedJob): void {
    const abort = new AbortController();
    const key = `${job.seq}:${job.fence}`;
    this.#running.set(key, { job, abort });
    const trace = continueTrace(job.trace) ?? newTrace();
    void activeTrace
      .run(trace, () => this.#execute(job, abort))
      .then((outcome) => {
        // Not in the map any more: the job was released or the lease was lost meanwhile, and its outcome is not ours to write.
        if (!this.#running.delete(key)) return;
        this.#unsettled.push({ job, outcome });
        this.#deps.wakeUp.now();
      });
  }

  /** Never throws: every way a run can end is an outcome. */
  async #execute(job: ClaimedJob, abort: AbortController): Promise<Outcome> {
    const log = this.#deps.log.child({ job_id: job.jobId, job_type: job.jobType, attempt: job.attempt });
    const timer = setTimeout(() => abort.abort(new AppError('job_timeout')), this.#deps.jobTimeoutMs);
    const progress = new JobProgressWriter((value) => this.#deps.db.batch([updateProgress(job, value)]), log);
    const startedAt = performance.now();
    log.info({ event: 'job.started' }, 'job started');
    try {
      const result = await this.#runHandler(job, abort.signal, progress, log);
      await progress.flush();
      log.info({ event: 'job.completed', duration_ms: Math.round(performance.now() - startedAt) }, 'job completed');
      return { kind: 'completed', result };
    } catch (error) {
      await progress.flush();
      const reason: unknown = abort.signal.aborted ? abort.signal.reason : error;
      if (hasCode(reason, 'job_cancelled')) return { kind: 'cancelled' };
      const outcome = outcomeOf(reason, job.attempt);
      log.warn({ event: 'job.attempt_failed', outcome: outcome.kind, err: reason }, 'a run of the job failed');
      return outcome;
    } finally {
      clearTimeout(timer);
    }
  }

  async #runHandler(
    job: ClaimedJob,
    signal: AbortSignal,
    progress: JobProgressWriter,
    log: Logger,
  ): Promise<Record<string, unknown>> {
    const handler = this.#deps.handlers.get(job.jobType);
    if (handler === undefined) throw new AppError('job_type_unknown', `No handler for jobs of type ${job.jobType}`);
    const payload = handler.payload.safeParse(job.payload);
    if (!payload.success) throw new AppError('job_payload_invalid', undefined, { cause: payload.error });
    const subject = await this.#deps.resolveSubject(job);
    if (subject === null) throw new AppError('rights_revoked', 'The account the job acts for is gone or disabled');
    return handler.run(payload.data, {
      jobId: job.jobId,
      signal,
      subject,
      attempt: job.attempt,
      maxAttempts: job.maxAttempts,
      token: job.jobId,
      log,
      progress: (stage, done, total) => progress.set({ stage, done, total }),
      write: async (statements) => {
        signal.throwIfAborted();
        return (await this.#deps.db.batch([requireClaim(job), ...statements])).slice(1);
      },
    });
  }

  #reportRescued(row: Row): void {
    this.#deps.log.warn(
      { event: 'job.rescued', job_id: row.job_id, status: row.status },
      'took over a job of a dead worker',
    );
  }

  #reportStale(job: ClaimedJob, outcome: Outcome): void {
    this.#deps.log.warn(
      { event: 'job.stale_outcome', job_id: job.jobId, outcome: outcome.kind },
      'another worker has taken the job over; this outcome is dropped',
    );
  }

  #abortAll(reason: AppError): void {
    const running = [...this.#running.values()];
    this.#running.clear();
    for (const { abort } of running) abort.abort(reason);
  }
}
