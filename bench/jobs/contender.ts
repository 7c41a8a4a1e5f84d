/** A queue that takes part, seen from the process that measures. */
export interface Contender {
  readonly name: string;
  /** What its durability and concurrency are, in words. */
  readonly settings: string;
  /** The module of one worker process; it calls `serveWorker`, and its argument is the path given to `create`. */
  readonly worker: URL;
  /** Creates the database at `path`, which is missing, or a server that is told of there. */
  create(path: string): Promise<Jobs>;
}

/** The jobs of a contender in one database. */
export interface Jobs {
  /** Adds rows as finished jobs leave them behind. */
  addFinished(count: number): Promise<void>;
  /** Adds jobs with the payloads of `from` and the `count - 1` numbers after it. */
  enqueue(from: number, count: number): Promise<void>;
  /** Whether a job waits or runs; cheap enough to be asked all the time while workers are measured. */
  isAnyOpen(): boolean | Promise<boolean>;
  countFinished(): number | Promise<number>;
  close(): Promise<void>;
}

/** About 160 bytes of JSON. */
export interface Payload {
  n: number;
  text: string;
}

export function payloadOf(n: number): Payload {
  return { n, text: 'The quick brown fox jumps over the lazy dog. '.repeat(3) };
}
