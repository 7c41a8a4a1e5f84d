import { AppError } from '../errors/app-error.ts';
import { type ClaimedJob, type Outcome, outcomeOf } from '../jobs/index.ts';
import { type HostEnding, JobHost, type JobHostOptions } from './job-host.ts';

export interface JobHostPoolOptions extends JobHostOptions {
  /** Most processes at a time. */
  size: number;
  /** A process is replaced after this many jobs, so that what they leak does not add up. Default 100. */
  maxJobs?: number;
  /** A process with nothing to do for this long is ended. Default a minute. */
  idleMs?: number;
}

const MAX_JOBS = 100;
const IDLE_MS = 60_000;
/** A process that cannot be started is our fault or the machine's, and trying at once would not help. */
const NOT_BEGUN_DELAY_MS = 1_000;

/**
 * The processes in which isolated jobs run, one job at a time each. They are started when they are needed and kept warm for
 * the next job. Nothing but the claim and its outcome crosses the boundary.
 */
export class JobHostPool {
  readonly #options: JobHostPoolOptions;
  readonly #busy = new Set<JobHost>();
  /** The last one used is the next one used, so that what is not needed becomes idle. */
  readonly #idle = new Map<JobHost, NodeJS.Timeout>();
  readonly #alive = new Set<JobHost>();
  #stopped = false;

  constructor(options: JobHostPoolOptions) {
    this.#options = options;
  }

  /**
   * Runs one claim. On abort the job is told the reason and has `abortGraceMs` to answer, then its process is killed. A
   * process that dies under its job gives the outcome `crashed`; one that dies before gives the claim back.
   */
  async run(job: ClaimedJob, signal: AbortSignal): Promise<Outcome> {
    if (signal.aborted) return outcomeOf(signal.reason, job.attempt);
    if (this.#stopped) return { kind: 'released', delayMs: 0 };
    const host = this.#take();
    this.#busy.add(host);
    const ending = await host.run(job, signal);
    const isSpent = await this.#isSpent(host);
    this.#busy.delete(host);
    if (host.isUsable && isSpent) host.end();
    else if (host.isUsable) this.#rest(host);
    return this.#outcomeOf(ending, job, signal);
  }

  /** Kills what still runs a job after `graceMs`, ends the rest, and waits until all are gone. May be called twice. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    for (const [host, timer] of this.#idle) {
      clearTimeout(timer);
      host.end();
    }
    this.#idle.clear();
    const timer = setTimeout(() => {
      for (const host of this.#alive) host.kill();
    }, graceMs);
    await Promise.all([...this.#alive].map((host) => host.ended));
    clearTimeout(timer);
  }

  #take(): JobHost {
    const idle = [...this.#idle.keys()].at(-1);
    if (idle === undefined) return this.#start();
    clearTimeout(this.#idle.get(idle));
    this.#idle.delete(idle);
    return idle;
  }

  #start(): JobHost {
    // After a lost lease the jobs that were told to stop hold their processes while the next ones are claimed.
    if (this.#busy.size >= this.#options.size) [...this.#busy].find((host) => host.isAborted)?.kill();
    const host = new JobHost(this.#options);
    this.#alive.add(host);
    void host.ended.then(() => {
      this.#alive.delete(host);
      clearTimeout(this.#idle.get(host));
      this.#idle.delete(host);
    });
    return host;
  }

  /** Memory that is not given back after a job will not come back after the next. */
  async #isSpent(host: JobHost): Promise<boolean> {
    const { maxJobs = MAX_JOBS, memoryMb } = this.#options;
    if (this.#stopped || host.jobsRun >= maxJobs) return true;
    return (await host.memory()) > (memoryMb / 2) * 1024 * 1024;
  }

  #rest(host: JobHost): void {
    const timer = setTimeout(() => {
      this.#idle.delete(host);
      host.end();
    }, this.#options.idleMs ?? IDLE_MS);
    this.#idle.set(host, timer);
  }

  #outcomeOf(ending: HostEnding, job: ClaimedJob, signal: AbortSignal): Outcome {
    const { log, memoryMb } = this.#options;
    const fields = { job_id: job.jobId, job_type: job.jobType, attempt: job.attempt };
    switch (ending.kind) {
      case 'answered':
        return ending.outcome;
      case 'aborted':
        return outcomeOf(signal.reason, job.attempt);
      case 'not_begun':
        log.error(
          { event: 'worker.host_failed', ...fields, err: ending.cause },
          'no process for the job; it is given back',
        );
        return { kind: 'released', delayMs: NOT_BEGUN_DELAY_MS };
      case 'crashed': {
        log.error(
          { event: 'job.crashed', ...fields, code: ending.code, err: ending.cause },
          'a job took its process down',
        );
        const detail =
          ending.code === 'job_out_of_memory' ? `The job needed more than ${memoryMb} MB of memory` : undefined;
        const { code, detail: message, retryable } = new AppError(ending.code, detail);
        return { kind: 'crashed', error: { code, message, retryable } };
      }
    }
  }
}
