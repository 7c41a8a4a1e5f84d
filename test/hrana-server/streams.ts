import { randomUUID } from 'node:crypto';
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
  readonly #waiting = new Map<string, WaitingStream>();
  readonly #expired = new Set<string>();

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
    for (const { stream } of this.#waiting.values()) stream.close();
    this.#waiting.clear();
  }

  #create(version: 2 | 3): HranaStream {
    const { path, foreignKeys } = this.#options;
    return new HranaStream({ path, version, foreignKeys, stealWriteLock: () => this.#stealWriteLock() });
  }

  #stealWriteLock(): boolean {
    const overdue = [...this.#waiting.values()].find(({ stream }) => {
      const sinceMs = stream.transactionSinceMs;
      return sinceMs !== null && performance.now() - sinceMs >= this.#options.transactionTimeoutMs;
    });
    overdue?.stream.timeOut();
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
