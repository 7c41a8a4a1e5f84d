import { setTimeout as sleep } from 'node:timers/promises';

const LIMIT_MS = 10_000;
const LOOK_MS = 10;

/** Waits until `look` no longer throws; after ten seconds its error is the test's. */
export async function eventually<T>(look: () => T | Promise<T>): Promise<T> {
  const deadline = performance.now() + LIMIT_MS;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(LOOK_MS);
    }
  }
}
