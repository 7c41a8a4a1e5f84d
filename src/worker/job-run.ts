import type { Subject } from '../access/index.ts';
import type { Database, Statement } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import {
  type ChildRequest,
  type ClaimedJob,
  countOpenChildren,
  enqueueJob,
  insertLogLines,
  type JobContext,
  type JobHandler,
  type Outcome,
  outcomeOf,
  requireClaim,
  selectChildren,
  selectPayload,
  updateProgress,
} from '../jobs/index.ts';
import { activeTrace, type Logger } from '../telemetry/logger.ts';
import { continueTrace, newTrace } from '../telemetry/trace-context.ts';
import { JobLog } from './job-log.ts';
import { JobProgressWriter } from './job-progress.ts';
import type { Run } from './run.ts';

export interface JobRunDependencies {
  db: Database;
  log: Logger;
  handlers: ReadonlyMap<string, JobHandler>;
  /** Null when the account is gone or disabled. */
  resolveSubject(job: Pick<ClaimedJob, 'ownerId' | 'via' | 'levelCap'>): Promise<Subject | null>;
  jobTimeoutMs: number;
  /** How long a handler may go on after it was told to stop before it is given up. */
  abortGraceMs: number;
}

/** A run in this process: from the payload to an outcome. */
export class JobRun implements Run {
  readonly job: ClaimedJob;
  readonly #deps: JobRunDependencies;
  readonly #abort = new AbortController();
  readonly #startedAt = performance.now();
  readonly #log: Logger;
  readonly #jobLog: JobLog;
  readonly #progress: JobProgressWriter;
  #isGivenUp = false;

  constructor(job: ClaimedJob, deps: JobRunDependencies) {
    this.job = job;
    this.#deps = deps;
    this.#log = deps.log.child({ job_id: job.jobId, job_type: job.jobType, attempt: job.attempt });
    this.#jobLog = new JobLog(this.#log, job.fence);
    this.#progress = new JobProgressWriter((progress) => this.#store([updateProgress(job, progress)]), this.#log);
  }

  get isGivenUp(): boolean {
    return this.#isGivenUp;
  }

  get ranMs(): number {
    return performance.now() - this.#startedAt;
  }

  abort(reason: AppError): void {
    this.#abort.abort(reason);
  }

  execute(): Promise<Outcome> {
    const trace = continueTrace(this.job.trace) ?? newTrace();
    return activeTrace.run(trace, () => this.#execute());
  }

  async #execute(): Promise<Outcome> {
    const handler = this.#deps.handlers.get(this.job.jobType);
    const timeoutMs = handler?.timeoutMs ?? this.#deps.jobTimeoutMs;
    const timer = setTimeout(() => this.abort(new AppError('job_timeout')), timeoutMs);
    this.#log.info({ event: 'job.started' }, 'job started');
    try {
      const result = await this.#untilGivenUp(this.#runHandler(handler));
      this.#log.info({ event: 'job.completed', duration_ms: Math.round(this.ranMs) }, 'job completed');
      return { kind: 'completed', result, ...(handler?.resultTtlMs && { resultTtlMs: handler.resultTtlMs }) };
    } catch (error) {
      return this.#outcomeOf(error);
    } finally {
      clearTimeout(timer);
      await this.#progress.flush();
      await this.#flushLog();
    }
  }

  #outcomeOf(error: unknown): Outcome {
    const reason: unknown = this.#abort.signal.aborted ? this.#abort.signal.reason : error;
    const outcome = outcomeOf(reason, this.job.attempt);
    if (outcome.kind !== 'parked' && outcome.kind !== 'cancelled') {
      this.#log.warn({ event: 'job.attempt_failed', outcome: outcome.kind, err: reason }, 'a run of the job failed');
    }
    return outcome;
  }

  /** A handler that goes on long after its signal is left to itself, so that its slot and its job are not lost. */
  #untilGivenUp<T>(running: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        this.#isGivenUp = true;
        reject(this.#abort.signal.reason);
      };
      let timer: NodeJS.Timeout | undefined;
      this.#abort.signal.addEventListener('abort', () => {
        timer = setTimeout(giveUp, this.#deps.abortGraceMs);
      });
      running.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  async #runHandler(handler: JobHandler | undefined): Promise<Record<string, unknown>> {
    const { job } = this;
    if (handler === undefined) throw new AppError('job_type_unknown', `No handler for jobs of type ${job.jobType}`);
    const stored = job.payload === undefined ? await selectPayload(this.#deps.db, job.seq) : job.payload;
    const payload = handler.payload.safeParse(stored);
    if (!payload.success) throw new AppError('job_payload_invalid', undefined, { cause: payload.error });
    const subject = await this.#deps.resolveSubject(job);
    if (subject === null) throw new AppError('rights_revoked', 'The account the job acts for is gone or disabled');
    return handler.run(payload.data, this.#context(subject));
  }

  #context(subject: Subject): JobContext {
    const { job } = this;
    return {
      jobId: job.jobId,
      signal: this.#abort.signal,
      subject,
      attempt: job.attempt,
      maxAttempts: job.maxAttempts,
      token: job.jobId,
      log: this.#jobLog,
      progress: (stage, done, total) => this.#progress.set({ stage, done, total }),
      write: (statements) => this.#write(statements),
      spawn: async (children, statements = []) => {
        await this.#write([...statements, ...this.#childStatements(children), countOpenChildren(job, job.jobId)]);
      },
      children: () => selectChildren(this.#deps.db, job.jobId),
    };
  }

  #childStatements(children: readonly ChildRequest[]): Statement[] {
    const { job } = this;
    const common = { onBehalfOf: job, trace: job.trace, parentId: job.jobId, queue: job.queue, priority: job.priority };
    return children.flatMap((child) => enqueueJob({ ...common, ...child }).statements);
  }

  async #write(statements: readonly Statement[]) {
    this.#abort.signal.throwIfAborted();
    return (await this.#deps.db.batch([requireClaim(this.job), ...statements])).slice(1);
  }

  async #store(statements: readonly Statement[]): Promise<void> {
    const lines = this.#jobLog.take();
    await this.#deps.db.batch([...statements, ...(lines.length === 0 ? [] : [insertLogLines(this.job, lines)])]);
  }

  async #flushLog(): Promise<void> {
    const lines = this.#jobLog.take();
    if (lines.length === 0) return;
    await this.#deps.db.batch([insertLogLines(this.job, lines)]).catch((error) => {
      // The lines are in the process's log as well; a job does not fail for its copy.
      this.#log.warn({ event: 'job.log_failed', err: error }, 'lines of the job were not stored');
    });
  }
}
