import type { PipelineRequest, StreamRequest } from './protocol.ts';

/** What shall go wrong with one pipeline request. */
export type Fault =
  /** The connection breaks before anything was run. */
  | { readonly kind: 'drop_before' }
  /** Everything is run, then the connection breaks instead of answering. */
  | { readonly kind: 'drop_answer' }
  /** The connection stays open, but nothing comes back: the request is lost, or its answer where it `isRun`. */
  | { readonly kind: 'half_open'; readonly isRun: boolean }
  /** The request waits until the promise settles, and is then run whether or not somebody still waits for the answer. */
  | { readonly kind: 'delay'; readonly until: Promise<unknown> }
  /** The request is run at once, and its answer waits until the promise settles. */
  | { readonly kind: 'delay_answer'; readonly until: Promise<unknown> }
  /** The request is run twice, as after a proxy that repeats it; the second answer is given. */
  | { readonly kind: 'duplicate' }
  /** The server stands still in the middle of each batch of the request, after so many of its steps. */
  | { readonly kind: 'pause_in_batch'; readonly afterSteps: number; readonly pause: () => Promise<unknown> }
  /** A proxy answers with this status; the server never sees the request, or its answer is lost where it `isRun`. */
  | { readonly kind: 'status'; readonly status: number; readonly isRun?: boolean }
  /** The server answers that it has given up the stream before it ran anything. */
  | { readonly kind: 'stream_expired' }
  /** A proxy answers 200 with a page of its own. */
  | { readonly kind: 'garbage' };

/** Decides what shall go wrong with the request that has this SQL. */
type Chooser = (sql: string) => Fault | null;

/** Faults for the requests to come. */
export class Faults {
  readonly #queue: Fault[] = [];
  readonly #awaited: { readonly mentions: RegExp; readonly fault: Fault }[] = [];
  #choose: Chooser = () => null;

  /** The next pipeline requests meet these faults, in order. */
  next(...faults: readonly Fault[]): void {
    this.#queue.push(...faults);
  }

  /** The next requests whose SQL matches meet these faults, in order; others pass. */
  when(mentions: RegExp, ...faults: readonly Fault[]): void {
    this.#awaited.push(...faults.map((fault) => ({ mentions, fault })));
  }

  /** Asked for every request that meets no other fault, from now on. */
  always(choose: Chooser): void {
    this.#choose = choose;
  }

  /** No request meets a fault any more. */
  clear(): void {
    this.#queue.length = 0;
    this.#awaited.length = 0;
    this.#choose = () => null;
  }

  take(request: PipelineRequest): Fault | null {
    const sql = request.requests.flatMap(sqlOf).join(';\n');
    const awaited = this.#awaited.findIndex(({ mentions }) => mentions.test(sql));
    if (awaited >= 0) return this.#awaited.splice(awaited, 1)[0]!.fault;
    return this.#queue.shift() ?? this.#choose(sql);
  }

  /** Faults that no request has met yet. */
  get left(): number {
    return this.#queue.length + this.#awaited.length;
  }
}

function sqlOf(request: StreamRequest): string[] {
  if (request.type === 'execute') return [request.stmt.sql ?? ''];
  if (request.type === 'batch') return request.batch.steps.map(({ stmt }) => stmt.sql ?? '');
  return 'sql' in request ? [request.sql ?? ''] : [];
}
