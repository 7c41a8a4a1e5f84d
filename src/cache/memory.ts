interface Remembered {
  value: unknown;
  bytes: number;
  /** By this process's steady clock. */
  untilMs: number;
}

/** Values of this process, the least recently used forgotten first. */
export class Memory {
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Remembered>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Undefined where there is none, or none any more. */
  get(key: string): Remembered | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#forget(key, entry);
    if (entry.untilMs <= performance.now()) return undefined;
    this.#remember(key, entry);
    return entry;
  }

  set(key: string, value: unknown, { bytes, leftMs }: { bytes: number; leftMs: number }): void {
    const old = this.#entries.get(key);
    if (old !== undefined) this.#forget(key, old);
    this.#remember(key, { value, bytes: bytes + key.length, untilMs: performance.now() + leftMs });
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#forget(oldest, entry);
    }
  }

  #remember(key: string, entry: Remembered): void {
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
  }

  #forget(key: string, entry: Remembered): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
