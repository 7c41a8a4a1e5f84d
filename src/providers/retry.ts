import { setTimeout as sleep } from 'node:timers/promises';
import { type AppError, hasCode } from '../errors/app-error.ts';

/** Waits double from here, each drawn at random below its bound so that many callers do not come back at once. */
const FIRST_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 10_000;

export interface RetryOptions {
  /** 1 for a caller that retries by itself, as a job does. */
  maxAttempts: number;
  /** For all attempts and the waits between them. */
  timeoutMs: number;
  signal: AbortSignal | undefined;
  /** Stand-ins for tests. */
  wait?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  random?: () => number;
}

/**
 * Calls a model until it answers, fails for good, or the next wait would end after the deadline. `attempt` is told how
 * many milliseconds are left. Throws the error of the last attempt, or the reason of `signal`.
 */
export async function withRetries<T>(
  attempt: (remainingMs: number) => Promise<T>,
  { maxAttempts, timeoutMs, signal, wait = pause, random = Math.random }: RetryOptions,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (let attempts = 1; ; attempts++) {
    signal?.throwIfAborted();
    try {
      return await attempt(Math.max(1, deadline - performance.now()));
    } catch (error) {
      if (attempts >= maxAttempts || !mayPass(error)) throw error;
      const delayMs = retryDelayMs(error.retryAfterSeconds, attempts, random);
      if (performance.now() + delayMs >= deadline) throw error;
      await wait(delayMs, signal);
    }
  }
}

/** What the server asked for, else a random time below a bound that doubles with each attempt. */
export function retryDelayMs(retryAfterSeconds: number | undefined, attempts: number, random: () => number): number {
  if (retryAfterSeconds !== undefined) return retryAfterSeconds * 1000;
  return random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempts - 1));
}

/** Seconds from now of a `Retry-After` header (RFC 9110 §10.2.3: seconds or an HTTP date), undefined for none. */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  if (/^\s*\d+(\.\d+)?\s*$/.test(header)) return Number(header);
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - nowMs) / 1000);
}

function mayPass(error: unknown): error is AppError {
  return hasCode(error, 'provider_unavailable', 'provider_rate_limited', 'provider_invalid_answer');
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
