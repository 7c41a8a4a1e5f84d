import type { JobLogger, JobProgress } from '../jobs/index.ts';

/** A client polls about once a second; more writes than this would only take the write lock. */
const WRITE_INTERVAL_MS = 500;

/** Stores the progress of one job, thinned out: a new stage at once, the rest at most every half second. */
export class JobProgressWriter {
  readonly #store: (progress: JobProgress) => Promise<unknown>;
  readonly #log: JobLogger;
  #latest: JobProgress | null = null;
  #storedStage: string | null = null;
  #storedAt = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();

  constructor(store: (progress: JobProgress) => Promise<unknown>, log: JobLogger) {
    this.#store = store;
    this.#log = log;
  }

  set(progress: JobProgress): void {
    this.#latest = progress;
    const isDue = progress.stage !== this.#storedStage || performance.now() - this.#storedAt >= WRITE_INTERVAL_MS;
    if (isDue) this.#write();
  }

  /** Stores the last value and waits for it. */
  async flush(): Promise<void> {
    if (this.#latest !== null) this.#write();
    await this.#writing;
  }

  #write(): void {
    const progress = this.#latest;
    if (progress === null) return;
    this.#latest = null;
    this.#storedStage = progress.stage;
    this.#storedAt = performance.now();
    this.#writing = this.#writing
      .then(() => this.#store(progress))
      // Progress is for the eye: a job does not fail because a bar could not be moved.
      .then(undefined, (error) =>
        this.#log.warn({ event: 'job.progress_failed', err: error }, 'progress was not stored'),
      );
  }
}
