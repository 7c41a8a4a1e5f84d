import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../errors/app-error.ts';

const FIRST_PAUSE_MS = 0.3;
const LONGEST_PAUSE_MS = 8;

/**
 * Runs `attempt` until it is not busy. The wait is outside of SQLite and asynchronous: its own `busy_timeout` would sleep
 * inside the thread, and with three writing processes that stopped the event loop, and so the heartbeats, for up to 3 s.
 * The jitter keeps waiting processes from meeting again; pauses of 0.3 to 8 ms cost about a fifth of the throughput.
 *
 * Throws `AppError` database_busy once `deadlineMs` (of `performance.now()`) has passed; tries at least once.
 */
export async function retryWhileBusy<T>(
  attempt: () => T | Promise<T>,
  isBusy: (error: unknown) => boolean,
  deadlineMs: number,
): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await attempt();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (performance.now() >= deadlineMs) throw new AppError('database_busy', undefined, { cause: error });
    }
    await delay(pauseMs * (0.5 + Math.random()));
  }
}
