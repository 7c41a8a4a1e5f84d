import { AppError, hasCode } from '../errors/app-error.ts';
import { GiveUp, RetryLater, WaitForChildren } from './handler.ts';
import type { JobError, Outcome } from './job.ts';

const BASE_DELAY_MS = 2_000;
const MAX_DELAY_MS = 15 * 60_000;

/** What an error thrown by a handler means for its job. `random` is 0..1, for the jitter. */
export function outcomeOf(error: unknown, attempt: number, random: number = Math.random()): Outcome {
  if (error instanceof RetryLater) return { kind: 'released', delayMs: error.delayMs };
  if (error instanceof WaitForChildren) return { kind: 'parked' };
  if (hasCode(error, 'job_cancelled')) return { kind: 'cancelled' };
  const jobError = toJobError(error);
  if (error instanceof GiveUp || !jobError.retryable)
    return { kind: 'failed', error: { ...jobError, retryable: false } };
  const asked = error instanceof AppError ? (error.retryAfterSeconds ?? 0) * 1_000 : 0;
  return { kind: 'retry', error: jobError, delayMs: Math.max(asked, backoffMs(attempt, random)) };
}

/** Exponential with full jitter: a crowd that failed together does not come back together. */
function backoffMs(attempt: number, random: number): number {
  return Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** (attempt - 1)) * random;
}

/** The text of an unknown error stays in the log: it may hold content or internals. */
function toJobError(error: unknown): JobError {
  if (error instanceof AppError) return { code: error.code, message: error.detail, retryable: error.retryable };
  return { code: 'job_failed', message: 'An unexpected error occurred; the log has the details', retryable: true };
}
