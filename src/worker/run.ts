import type { AppError } from '../errors/app-error.ts';
import type { ClaimedJob, Outcome } from '../jobs/index.ts';

/** One claim being run, in this process (`JobRun`) or in one of its own (`HostedRun`). */
export interface Run {
  readonly job: ClaimedJob;
  readonly ranMs: number;
  /** When it has ended in any case, of `performance.now()`, unless it blocks the event loop; `Infinity` where it cannot. */
  readonly mustEndAt: number;
  /** The handler was told to stop, did not, and was left behind: this process should be replaced. */
  readonly isGivenUp: boolean;
  abort(reason: AppError): void;
  /** Never throws: every way a run can end is an outcome. */
  execute(): Promise<Outcome>;
}
