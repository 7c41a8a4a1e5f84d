import type { Subject } from '../access/index.ts';
import type { Database, Statement } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import {
  type ChildRequest,
  type ClaimedJob,
  enqueueJob,
  insertLogLines,
  type JobContext,
  type JobHandler,
  type JobProgress,
  type Outcome,
  outcomeOf,
  requireClaim,
  selectChildren,
  selectPayload,
  updateProgress,
} from '../jobs/index.ts';
import { activeTrace, type Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { continueTrace, newTrace } from '../telemetry/trace-context.ts';
import { JobLog } from './job-log.ts';
import { JobProgressWriter } from './job-progress.ts';
import type { Run } from './run.ts';

export interface JobRunDependencies {
  db: Database;
  log: Logger;
  handlers: ReadonlyMap<string, JobHandler>;
  /** Null when the account is gone or disabled, or the API key was deleted. */
  resolveSubject(job: Pick<ClaimedJob, 'ownerId' | 'via' | 'levelCap' | 'groupId' | 'keyId'>): Promise<Subject | null>;
  jobTimeoutMs: number;
  /** How long a handler may go on after it was told to stop before it is given up. */
  abortGraceMs: number;
  /** Undefined: nothing is measured. */
  metrics?: Metrics;
}

/** A run in this process: from the payload to an outcome. */
export class JobRun implements Run {
  readonly job: ClaimedJob;
  readonly mustEndAt: number;
  readonly #deps: JobRunDependencies;
  readonly #timeoutMs: number;
  readonly #startedAt = performance.now();
  // What many short jobs never ask for is made when it is asked for: a logger of its own, an AbortController and the rest
  // cost a job without any work more than half of its time.
  #ownLog: Logger | null = null;
  #jobLog: JobLog | null = null;
  #progress: JobProgressWriter | null = null;
  #abort: AbortController | null = null;
  #abortReason: AppError | null = null;
  #giveUp: (reason: AppError) => void = () => {};
  #giveUpTimer: NodeJS.Timeout | undefined;
  #isGivenUp = false;

  constructor(job: ClaimedJob, deps: JobRunDependencies) {
    this.job = job;
    this.#deps = deps;
    this.#timeoutMs = deps.handlers.get(job.jobType)?.timeoutMs ?? deps.jobTimeoutMs;
    this.mustEndAt = this.#startedAt + this.#timeoutMs + deps.abortGraceMs;
  }

  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  get ranMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** The first reason counts. A handler that still goes on after the grace is left to itself, so that its slot is not lost. */
  abort(reason: AppError): void {
    if (this.#abortReason !== null) return;
    this.#abortReason = reason;
    this.#abort?.abort(reason);
    this.#giveUpTimer = setTimeout(() => this.#giveUp(reason), this.#deps.abortGraceMs);
  }

  execute(): Promise<Outcome> {
    const trace = continueTrace(this.job.trace) ?? newTrace();
    return activeTrace.run(trace, () => this.#execute());
  }

  async #execute(): Promise<Outcome> {
    const handler = this.#deps.handlers.get(this.job.jobType);
    const timer = setTimeout(() => this.abort(new AppError('job_timeout')), this.#timeoutMs);
    this.#deps.log.info({ event: 'job.started', ...this.#fields }, 'job started');
    try {
      const result = await this.#untilGivenUp(this.#runHandler(handler));
      const durationMs = Math.round(this.ranMs);
      this.#deps.log.info({ event: 'job.completed', ...this.#fields, duration_ms: durationMs }, 'job completed');
      return { kind: 'completed', result, ...(handler?.resultTtlMs && { resultTtlMs: handler.resultTtlMs }) };
    } catch (error) {
      return this.#outcomeOf(error);
    } finally {
      clearTimeout(timer);
      clearTimeout(this.#giveUpTimer);
      await this.#progress?.flush();
      await this.#flushLog();
    }
  }

  get #fields() {
    const { jobId, jobType, attempt } = this.job;
    return { job_id: jobId, job_type: jobType, attempt };
  }

  get #log(): Logger {
    this.#ownLog ??= this.#deps.log.child(this.#fields);
    return this.#ownLog;
  }

  get #signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#abortReason !== null) this.#abort.abort(this.#abortReason);
    return this.#abort.signal;
  }

  #outcomeOf(error: unknown): Outcome {
    const reason = this.#abortReason ?? error;
    const outcome = outcomeOf(reason, this.job.attempt);
    if (outcome.kind !== 'parked' && outcome.kind !== 'cancelled') {
      this.#log.warn({ event: 'job.attempt_failed', outcome: outcome.kind, err: reason }, 'a run of the job failed');
    }
    return outcome;
  }

  #untilGivenUp<T>(running: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp = (reason) => {
        this.#isGivenUp = true;
        reject(reason);
      };
      running.then(resolve, reject);
    });
  }

  async #runHandler(handler: JobHandler | undefined): Promise<Record<string, unknown>> {
    const { job } = this;
    if (handler === undefined) throw new AppError('job_type_unknown', `No handler for jobs of type ${job.jobType}`);
    const stored = job.payload === undefined ? await selectPayload(this.#deps.db, job.seq) : job.payload;
    const payload = handler.payload.safeParse(stored);
    if (!payload.success) throw new AppError('job_payload_invalid', undefined, { cause: payload.error });
    const subject = await this.#deps.resolveSubject(job);
    if (subject === null) {
      throw new AppError('rights_revoked', 'The account that the job acts for is gone or disabled, or its key deleted');
    }
    const result = await handler.run(payload.data, this.#context(subject));
    // What is no JSON fails here: with the outcomes of others it would hold up them all, cycle after cycle.
    JSON.stringify(result);
    return result;
  }

  #context(subject: Subject): JobContext {
    const { job } = this;
    const run = this;
    return {
      jobId: job.jobId,
      get signal() {
        return run.#signal;
      },
      subject,
      attempt: job.attempt,
      maxAttempts: job.maxAttempts,
      token: job.jobId,
      get log() {
        run.#jobLog ??= new JobLog(run.#log, job.fence);
        return run.#jobLog;
      },
      progress: (stage, done, total) => this.#report({ stage, done, total }),
      write: (statements) => this.#write(statements),
      spawn: async (children, statements = []) => {
        await this.#write([...statements, ...this.#childStatements(children)]);
      },
      children: () => selectChildren(this.#deps.db, job.jobId),
    };
  }

  #report(progress: JobProgress): void {
    this.#progress ??= new JobProgressWriter((latest) => this.#store([updateProgress(this.job, latest)]), this.#log);
    this.#progress.set(progress);
  }

  #childStatements(children: readonly ChildRequest[]): Statement[] {
    const { job } = this;
    const common = { onBehalfOf: job, trace: job.trace, parentId: job.jobId, queue: job.queue, priority: job.priority };
    return children.flatMap((child) => enqueueJob({ ...common, ...child }).statements);
  }

  async #write(statements: readonly Statement[]) {
    if (this.#abortReason !== null) throw this.#abortReason;
    return (await this.#deps.db.batch([requireClaim(this.job), ...statements])).slice(1);
  }

  async #store(statements: readonly Statement[]): Promise<void> {
    const lines = this.#jobLog?.take() ?? [];
    await this.#deps.db.batch([...statements, ...(lines.length === 0 ? [] : [insertLogLines(this.job, lines)])]);
  }

  async #flushLog(): Promise<void> {
    const lines = this.#jobLog?.take() ?? [];
    if (lines.length === 0) return;
    await this.#deps.db.batch([insertLogLines(this.job, lines)]).catch((error) => {
      // The lines are in the process's log as well; a job does not fail for its copy.
      this.#log.warn({ event: 'job.log_failed', err: error }, 'lines of the job were not stored');
    });
  }
}
