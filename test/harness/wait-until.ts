import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 5;

/** Waits until the condition gives something other than null, undefined or false, and answers it; fails after 20 s. */
export async function waitUntil<T>(
  condition: () => T | Promise<T>,
  what = 'the condition',
  timeoutMs = 20_000,
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== null && value !== undefined && value !== false) return value as NonNullable<Exclude<T, false>>;
    if (performance.now() > deadline) throw new Error(`${what} did not come true within ${timeoutMs} ms`);
    await delay(LOOK_MS);
  }
}
