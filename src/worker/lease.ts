import { hostname } from 'node:os';
import { Worker } from 'node:worker_threads';
import { newId } from '../base/ids.ts';
import { siblingModule } from '../base/source-file.ts';
import type { Database } from '../db/database.ts';
import type { OpenDatabaseOptions } from '../db/open-database.ts';
import { AppError } from '../errors/app-error.ts';
import { deleteDeadWorkers, deleteWorker, insertWorker } from '../jobs/index.ts';
import type { Logger } from '../telemetry/logger.ts';
import { isFileBroken } from './broken-file.ts';
import { Deadline } from './deadline.ts';
import type { BeatMessage, HeartbeatStart } from './heartbeat-thread.ts';

/** Between attempts to get a new lease. */
const RETRY_MS = 1_000;

export interface LeaseOptions {
  db: Database;
  database: OpenDatabaseOptions;
  leaseMs: number;
  log: Logger;
  /** Queues and types that this worker serves, so that a waiting job can say whether anybody will take it. */
  queues: readonly string[] | null;
  jobTypes: readonly string[];
}

/**
 * This process's lease: one row, extended by a thread of its own, so that a handler that blocks the event loop does not
 * lose it. A lost lease is final for its worker id; the process goes on under a new one.
 */
export class Lease {
  readonly #db: Database;
  readonly #database: OpenDatabaseOptions;
  readonly #leaseMs: number;
  readonly #log: Logger;
  readonly #serves: Pick<LeaseOptions, 'queues' | 'jobTypes'>;
  /** For the runner to set: its thread ends a process that lets it pass. */
  readonly deadline = new Deadline();
  #workerId: string | null = null;
  #thread: Worker | null = null;
  #stopping = false;
  #renewing: Promise<void> = Promise.resolve();
  #nextTry: NodeJS.Timeout | undefined;
  #lost: () => void = () => {};
  #cancel: (seq: number, fence: number) => void = () => {};
  #beat: () => void = () => {};
  #broken: (error: AppError) => void = () => {};

  constructor(options: LeaseOptions) {
    this.#db = options.db;
    this.#database = options.database;
    this.#leaseMs = options.leaseMs;
    this.#log = options.log;
    this.#serves = { queues: options.queues, jobTypes: options.jobTypes };
  }

  /** Null while there is no lease: before start, after stop, and between losing one and getting the next. */
  get workerId(): string | null {
    return this.#workerId;
  }

  onLost(listener: () => void): void {
    this.#lost = listener;
  }

  onCancel(listener: (seq: number, fence: number) => void): void {
    this.#cancel = listener;
  }

  onBeat(listener: () => void): void {
    this.#beat = listener;
  }

  /** The database file has failed: there will be no lease any more. May be called again. */
  onFileBroken(listener: (error: AppError) => void): void {
    this.#broken = listener;
  }

  async start(): Promise<void> {
    const workerId = newId();
    const row = { workerId, host: hostname(), pid: process.pid, leaseMs: this.#leaseMs, ...this.#serves };
    await this.#db.batch([deleteDeadWorkers(), insertWorker(row)]);
    const { memory } = this.deadline;
    const workerData: HeartbeatStart = { workerId, leaseMs: this.#leaseMs, database: this.#database, deadline: memory };
    const thread = new Worker(siblingModule(import.meta.url, './heartbeat-thread'), { workerData });
    thread.on('message', (message: BeatMessage) => this.#receive(workerId, message));
    thread.on('error', (error) => this.#lose(workerId, error));
    this.#thread = thread;
    this.#workerId = workerId;
  }

  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    clearTimeout(this.#nextTry);
    await this.#renewing;
    await this.#endThread();
    if (this.#workerId !== null) await this.#db.batch([deleteWorker(this.#workerId)]);
    this.#workerId = null;
  }

  #receive(workerId: string, message: BeatMessage): void {
    if (message.kind === 'lost') {
      this.#lose(workerId, null);
    } else if (message.kind === 'failed') {
      this.#log.warn({ event: 'worker.beat_failed', reason: message.reason }, 'the lease could not be extended');
      if (message.isFileBroken) this.#broken(new AppError('database_unavailable', message.reason));
    } else {
      for (const { seq, fence } of message.cancelled) this.#cancel(seq, fence);
      this.#beat();
    }
  }

  #lose(workerId: string, error: unknown): void {
    if (this.#workerId !== workerId || this.#stopping) return;
    this.#log.error({ event: 'worker.lease_lost', worker_id: workerId, err: error ?? undefined }, 'the lease is lost');
    this.#workerId = null;
    this.#lost();
    this.#renewing = this.#renew();
  }

  async #renew(): Promise<void> {
    try {
      await this.#endThread();
      if (this.#stopping) return;
      await this.start();
      this.#beat();
    } catch (error) {
      this.#log.error({ event: 'worker.lease_failed', err: error }, 'no new lease yet');
      if (this.#stopping) return;
      if (isFileBroken(this.#db, error)) this.#broken(error);
      this.#nextTry = setTimeout(() => {
        this.#renewing = this.#renew();
      }, RETRY_MS);
    }
  }

  async #endThread(): Promise<void> {
    const thread = this.#thread;
    this.#thread = null;
    if (thread === null) return;
    const ended = new Promise((resolve) => thread.once('exit', resolve));
    thread.postMessage('stop');
    await ended;
  }
}
