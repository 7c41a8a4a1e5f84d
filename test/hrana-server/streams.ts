import { randomUUID } from 'node:crypto';
import { Engine } from './engine.ts';
import { HranaError } from './protocol.ts';
import { HranaStream } from './stream.ts';

export interface StreamsOptions {
  readonly path: string;
  readonly foreignKeys: boolean;
  readonly streamExpiryMs: number;
  readonly transactionTimeoutMs: number;
}

interface WaitingStream {
  readonly stream: HranaStream;
  readonly sinceMs: number;
}

/** The open streams, by the baton that the next request on them has to show. Each baton works once. */
export class Streams {
  readonly #options: StreamsOptions;
  /** Those in use by a request and those that wait for one. */
  readonly #open = new Set<HranaStream>();
  readonly #waiting = new Map<string, WaitingStream>();
  readonly #expired = new Set<string>();
  /** Connections of closed streams, for the next ones: opening one reads the whole schema. */
  readonly #spare: Engine[] = [];

  constructor(options: StreamsOptions) {
    this.#options = options;
  }

  take(baton: string | null, version: 2 | 3): HranaStream {
    this.#expireIdle();
    if (baton === null) return this.#create(version);
    const found = this.#waiting.get(baton);
    this.#waiting.delete(baton);
    if (found !== undefined) return found.stream;
    if (this.#expired.has(baton)) {
      throw new HranaError('STREAM_EXPIRED', 'The stream has expired due to inactivity', { endsStream: true });
    }
    throw new HranaError('BATON_INVALID', 'The baton is invalid or was used already', { endsStream: true });
  }

  /** Keeps the stream for its next request and answers the baton for it; null when the stream was closed. */
  giveBack(stream: HranaStream): string | null {
    if (stream.isClosed) return null;
    const baton = randomUUID();
    this.#waiting.set(baton, { stream, sinceMs: performance.now() });
    return baton;
  }

  closeAll(): void {
    for (const stream of this.#open) stream.close();
    this.#waiting.clear();
    for (const engine of this.#spare.splice(0)) engine.close();
  }

  #create(version: 2 | 3): HranaStream {
    const { path, foreignKeys } = this.#options;
    const engine = this.#spare.pop() ?? new Engine(path, foreignKeys);
    const stream = new HranaStream({
      version,
      engine,
      stealWriteLock: () => this.#stealWriteLock(),
      onClose: () => {
        this.#open.delete(stream);
        engine.reset();
        this.#spare.push(engine);
      },
    });
    this.#open.add(stream);
    return stream;
  }

  #stealWriteLock(): boolean {
    const overdue = [...this.#open].find((stream) => {
      const sinceMs = stream.transactionSinceMs;
      return sinceMs !== null && performance.now() - sinceMs >= this.#options.transactionTimeoutMs;
    });
    overdue?.timeOut();
    return overdue !== undefined;
  }

  /** Looked at when a request comes, since nobody can see an idle stream in between. */
  #expireIdle(): void {
    for (const [baton, { stream, sinceMs }] of this.#waiting) {
      if (performance.now() - sinceMs < this.#options.streamExpiryMs) continue;
      stream.close();
      this.#waiting.delete(baton);
      this.#expired.add(baton);
    }
  }
}
