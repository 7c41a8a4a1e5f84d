import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { siblingModule } from '../base/source-file.ts';
import { AppError } from '../errors/app-error.ts';
import type { SqliteFailure } from './errors.ts';
import type { ReaderAnswer, ReaderRequest } from './reader-protocol.ts';
import type { Row } from './sql.ts';
import type { Binding } from './values.ts';

interface Pending {
  resolve(rows: Row[]): void;
  reject(error: unknown): void;
}

/** SQLite's failure inside a reader thread, with its code, so that a busy one can be told from the others. */
export class ReaderFailure extends Error {
  readonly failure: SqliteFailure;
  constructor(failure: SqliteFailure, cause: unknown) {
    super(failure.message, { cause });
    this.failure = failure;
  }
}

/**
 * Reading connections in threads of their own, for queries that would hold up the event loop. Threads start when first
 * needed; one that dies fails its queries and is replaced by the next. None is ever terminated while it runs a query.
 */
export class ReaderPool {
  readonly #path: string;
  readonly #size: number;
  readonly #threads = new Set<ReaderThread>();

  constructor(path: string, size: number) {
    this.#path = path;
    this.#size = Math.max(1, size);
  }

  query(text: string, bindings: readonly Binding[]): Promise<Row[]> {
    return this.#leastBusy().ask((id) => ({ kind: 'query', id, text, bindings }));
  }

  async copyTo(path: string): Promise<void> {
    await this.#leastBusy().ask((id) => ({ kind: 'copy', id, path }));
  }

  /** Lets running and waiting queries end first. */
  async close(): Promise<void> {
    await Promise.all([...this.#threads].map((thread) => thread.stop()));
  }

  #leastBusy(): ReaderThread {
    const idle = [...this.#threads].find((thread) => thread.pending === 0);
    if (idle !== undefined) return idle;
    if (this.#threads.size < this.#size) return this.#start();
    return [...this.#threads].reduce((least, thread) => (thread.pending < least.pending ? thread : least));
  }

  #start(): ReaderThread {
    const thread = new ReaderThread(this.#path, () => this.#threads.delete(thread));
    this.#threads.add(thread);
    return thread;
  }
}

class ReaderThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<unknown>;
  #lastId = 0;

  constructor(path: string, onExit: () => void) {
    this.#worker = new Worker(siblingModule(import.meta.url, 'reader-thread'), { workerData: { path } });
    this.#worker.unref();
    this.#worker.on('message', (answer: ReaderAnswer) => this.#settle(answer));
    this.#worker.on('error', (error) => this.#failAll(error));
    this.#worker.on('exit', () => {
      this.#failAll(new Error('The reader thread ended.'));
      onExit();
    });
    this.#exited = once(this.#worker, 'exit').catch(() => undefined);
  }

  get pending(): number {
    return this.#pending.size;
  }

  ask(request: (id: number) => ReaderRequest): Promise<Row[]> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      // An idle reader does not keep the process alive, a running query does.
      this.#worker.ref();
      this.#worker.postMessage(request(id));
    });
  }

  async stop(): Promise<void> {
    this.#worker.ref();
    this.#worker.postMessage({ kind: 'stop' } satisfies ReaderRequest);
    await this.#exited;
  }

  #settle(answer: ReaderAnswer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if ('rows' in answer) pending?.resolve(answer.rows);
    else pending?.reject(answer.failure === null ? answer.error : new ReaderFailure(answer.failure, answer.error));
  }

  #failAll(cause: unknown): void {
    const error = new AppError('database_unavailable', 'A reader of the database stopped unexpectedly.', { cause });
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
