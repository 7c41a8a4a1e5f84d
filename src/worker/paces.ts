import type { Statement } from '../db/database.ts';
import { type ClaimedJob, type Line, recordPace } from '../jobs/index.ts';

/** Often enough to be of use to who waits, seldom enough to cost a busy worker nothing. */
const STORE_EVERY_MS = 2_000;

/** How long the jobs of each line have waited and run of late, stored now and then with a cycle that happens anyway. */
export class Paces {
  readonly #seen = new Map<string, { line: Line; jobs: number; waitMs: number; runMs: number }>();
  #storedAt = performance.now();

  note(job: Pick<ClaimedJob, 'queue' | 'jobType' | 'waitedMs'>, ranMs: number): void {
    const key = `${job.queue}\n${job.jobType}`;
    const entry = this.#seen.get(key) ?? { line: job, jobs: 0, waitMs: 0, runMs: 0 };
    entry.jobs++;
    entry.waitMs += job.waitedMs;
    entry.runMs += ranMs;
    this.#seen.set(key, entry);
  }

  /** What is due to be stored; `[]` most of the time. */
  take(): Statement[] {
    if (this.#seen.size === 0 || performance.now() - this.#storedAt < STORE_EVERY_MS) return [];
    const entries = [...this.#seen.values()];
    this.#seen.clear();
    this.#storedAt = performance.now();
    return entries.map(({ line, jobs, waitMs, runMs }) => recordPace(line, waitMs / jobs, runMs / jobs));
  }
}
