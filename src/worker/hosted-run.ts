import { AppError } from '../errors/app-error.ts';
import type { ClaimedJob, Outcome } from '../jobs/index.ts';
import type { JobHostPool } from './job-host-pool.ts';
import type { Run } from './run.ts';

/** A run in a process of its own. Whatever the handler does there, this process goes on. */
export class HostedRun implements Run {
  readonly job: ClaimedJob;
  readonly isGivenUp = false;
  readonly mustEndAt = Number.POSITIVE_INFINITY;
  readonly #hosts: JobHostPool;
  readonly #timeoutMs: number;
  readonly #abort = new AbortController();
  readonly #startedAt = performance.now();

  constructor(job: ClaimedJob, options: { hosts: JobHostPool; timeoutMs: number }) {
    this.job = job;
    this.#hosts = options.hosts;
    this.#timeoutMs = options.timeoutMs;
  }

  get ranMs(): number {
    return performance.now() - this.#startedAt;
  }

  abort(reason: AppError): void {
    this.#abort.abort(reason);
  }

  async execute(): Promise<Outcome> {
    // The other side keeps the time as well, but a handler that blocks its event loop stops that clock.
    const timer = setTimeout(() => this.abort(new AppError('job_timeout')), this.#timeoutMs);
    try {
      return await this.#hosts.run(this.job, this.#abort.signal);
    } finally {
      clearTimeout(timer);
    }
  }
}
