import { Worker } from 'node:worker_threads';
import { AppError } from '../errors/app-error.ts';

/** What a thread is sent: one slice of texts. It answers each with one `EncodeReply`, in order. */
export interface EncodeRequest {
  texts: string[];
}

/** `failed` is the message of the error, for the log. */
export type EncodeReply = { vectors: Float32Array[] } | { failed: string };

export type Urgency = 'query' | 'document';

interface Task {
  texts: string[];
  signal: AbortSignal | undefined;
  resolve: (vectors: Float32Array[]) => void;
  reject: (reason: unknown) => void;
  onAbort: () => void;
}

/**
 * Threads that encode texts, started one by one as work piles up. Queries go before documents: a query waits for the
 * slice that is being encoded, never for those in the queue. A thread that dies fails the slice it had; the next slice
 * gets a new one.
 */
export class EncoderPool {
  readonly #threadModule: URL;
  readonly #maxThreads: number;
  readonly #waiting: Record<Urgency, Task[]> = { query: [], document: [] };
  readonly #idle: Worker[] = [];
  readonly #busy = new Map<Worker, Task>();
  #closed = false;

  constructor(options: { threadModule: URL; maxThreads: number }) {
    this.#threadModule = options.threadModule;
    this.#maxThreads = options.maxThreads;
  }

  /**
   * One vector per text. Throws `provider_unavailable` when the thread dies or the pool is closed,
   * `provider_invalid_answer` when the model fails on a text, or the reason of `signal`: at once, though a slice that
   * has begun keeps its thread until it is done.
   */
  encode(texts: string[], urgency: Urgency, signal?: AbortSignal): Promise<Float32Array[]> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (this.#closed) return Promise.reject(poolClosed());
    return new Promise((resolve, reject) => {
      const task: Task = { texts, signal, resolve, reject, onAbort: () => this.#abandon(task, urgency) };
      signal?.addEventListener('abort', task.onAbort, { once: true });
      this.#waiting[urgency].push(task);
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const abandoned = [...this.#busy.values(), ...this.#waiting.query.splice(0), ...this.#waiting.document.splice(0)];
    const threads = [...this.#busy.keys(), ...this.#idle.splice(0)];
    this.#busy.clear();
    for (const task of abandoned) settle(task, () => task.reject(poolClosed()));
    await Promise.all(threads.map((thread) => thread.terminate()));
  }

  #dispatch(): void {
    while (this.#waiting.query.length + this.#waiting.document.length > 0) {
      const thread = this.#freeThread();
      if (thread === null) return;
      const task = this.#waiting.query.shift() ?? this.#waiting.document.shift()!;
      this.#busy.set(thread, task);
      thread.ref();
      thread.postMessage({ texts: task.texts } satisfies EncodeRequest);
    }
  }

  #freeThread(): Worker | null {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    return this.#busy.size < this.#maxThreads ? this.#startThread() : null;
  }

  #startThread(): Worker {
    const thread = new Worker(this.#threadModule);
    thread.on('message', (reply: EncodeReply) => this.#finish(thread, reply));
    thread.on('error', (error) => this.#lose(thread, error));
    thread.on('exit', (code) => this.#lose(thread, new Error(`The encoder thread ended with code ${code}`)));
    return thread;
  }

  #finish(thread: Worker, reply: EncodeReply): void {
    const task = this.#busy.get(thread);
    if (task === undefined) return;
    this.#busy.delete(thread);
    this.#idle.push(thread);
    // An idle thread must not keep a process alive that has nothing else to do.
    thread.unref();
    settle(task, () => ('vectors' in reply ? task.resolve(reply.vectors) : task.reject(encodingFailed(reply.failed))));
    this.#dispatch();
  }

  /** Called for the error and again for the exit that follows it. */
  #lose(thread: Worker, cause: unknown): void {
    const at = this.#idle.indexOf(thread);
    if (at >= 0) this.#idle.splice(at, 1);
    const task = this.#busy.get(thread);
    if (task === undefined) return;
    this.#busy.delete(thread);
    settle(task, () => task.reject(new AppError('provider_unavailable', 'The packaged encoder crashed.', { cause })));
    this.#dispatch();
  }

  #abandon(task: Task, urgency: Urgency): void {
    const queue = this.#waiting[urgency];
    const at = queue.indexOf(task);
    if (at >= 0) queue.splice(at, 1);
    settle(task, () => task.reject(task.signal?.reason));
  }
}

/** Rejecting a promise that is settled already does nothing, so an abandoned task may be answered later. */
function settle(task: Task, outcome: () => void): void {
  task.signal?.removeEventListener('abort', task.onAbort);
  outcome();
}

function poolClosed(): AppError {
  return new AppError('provider_unavailable', 'The packaged encoder has been closed.');
}

function encodingFailed(message: string): AppError {
  const cause = new Error(message);
  return new AppError('provider_invalid_answer', 'The packaged encoder failed on a text.', { cause });
}
