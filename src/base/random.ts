import { randomFillSync } from 'node:crypto';

/** A call into the system's generator costs more than the bytes; ids and traces take theirs from a pool of them. */
const pool = Buffer.alloc(4_096);
let used = pool.length;

/** `count` (up to 64) cryptographically random bytes, in a buffer of the caller's own. */
export function pooledRandomBytes(count: number): Buffer {
  if (used + count > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const bytes = Buffer.from(pool.subarray(used, used + count));
  // What was handed out must not stay to be read from the pool.
  pool.fill(0, used, used + count);
  used += count;
  return bytes;
}
