/**
 * When the first of the runs in this process must have ended, in memory that its threads share: a handler that blocks the
 * event loop stops the clock that should end it, and only another thread can tell.
 */
export class Deadline {
  /** For `workerData`, of which the other thread makes a `Deadline` of its own. */
  readonly memory: SharedArrayBuffer;
  readonly #nanoseconds: BigInt64Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#nanoseconds = new BigInt64Array(memory);
  }

  /** `Infinity`: there is nothing to wait for. */
  setIn(ms: number): void {
    const at = Number.isFinite(ms) ? process.hrtime.bigint() + BigInt(Math.ceil(ms)) * 1_000_000n : 0n;
    Atomics.store(this.#nanoseconds, 0, at);
  }

  isPassed(): boolean {
    const at = Atomics.load(this.#nanoseconds, 0);
    return at !== 0n && process.hrtime.bigint() > at;
  }
}
