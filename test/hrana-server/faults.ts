/** What shall go wrong with one pipeline request. */
export type Fault =
  /** The connection breaks before anything was run. */
  | { readonly kind: 'drop_before' }
  /** Everything is run, then the connection breaks instead of answering. */
  | { readonly kind: 'drop_answer' }
  /** The request waits until the promise settles. */
  | { readonly kind: 'delay'; readonly until: Promise<unknown> }
  /** The request is run twice, as after a proxy that repeats it; the second answer is given. */
  | { readonly kind: 'duplicate' }
  /** A proxy answers with this status, and the server never sees the request. */
  | { readonly kind: 'status'; readonly status: number }
  /** A proxy answers 200 with a page of its own. */
  | { readonly kind: 'garbage' };

/** Faults for the requests to come: each takes the next one. */
export class Faults {
  readonly #queue: Fault[] = [];

  /** The next pipeline requests meet these faults, in order. */
  next(...faults: readonly Fault[]): void {
    this.#queue.push(...faults);
  }

  take(): Fault | null {
    return this.#queue.shift() ?? null;
  }

  /** Faults that no request has met yet. */
  get left(): number {
    return this.#queue.length;
  }
}
