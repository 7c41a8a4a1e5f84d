import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { retryWhileBusy } from './busy.ts';
import { isNodeSqliteBusy } from './errors.ts';
import { FilePresence } from './file-presence.ts';
import { configureWriter, type Durability } from './pragmas.ts';
import type { Row } from './sql.ts';
import { StatementCache } from './statement-cache.ts';
import { assertBatchStep } from './statement-check.ts';
import type { Binding } from './values.ts';

/** How long batches may follow one another before timers and sockets get their turn. */
const MAX_TURN_MS = 5;

export interface BoundStatement {
  readonly text: string;
  readonly bindings: readonly Binding[];
}

/** The one writing connection of a process. Batches run one after another, each in a transaction of its own. */
export class Writer {
  readonly #connection: DatabaseSync;
  readonly #statements: StatementCache;
  /** Of the files that this connection writes. */
  readonly presence: FilePresence;
  #last: Promise<unknown> = Promise.resolve();
  #turnStartedMs = 0;

  private constructor(connection: DatabaseSync, presence: FilePresence) {
    this.#connection = connection;
    this.presence = presence;
    this.#statements = new StatementCache(connection, assertBatchStep);
  }

  /** Another process may be setting up or recovering the same file at this moment, so opening waits like a batch. */
  static async open(path: string, durability: Durability, deadlineMs: number): Promise<Writer> {
    const connection = new DatabaseSync(path, { timeout: 0 });
    try {
      await retryWhileBusy(() => configureWriter(connection, durability), isNodeSqliteBusy, deadlineMs);
      return new Writer(connection, new FilePresence(path));
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  batch(statements: readonly BoundStatement[], deadlineMs: number): Promise<Row[][]> {
    const result = this.#last.then(() => this.#transaction(statements, deadlineMs));
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Waits for the batches that were asked for. */
  async close(): Promise<void> {
    await this.#last;
    if (this.#connection.isOpen) this.#connection.close();
  }

  async #transaction(statements: readonly BoundStatement[], deadlineMs: number): Promise<Row[][]> {
    await this.#shareTurn();
    // IMMEDIATE takes the write lock first: a transaction that starts by reading could not be upgraded after another commit.
    await retryWhileBusy(() => this.#connection.exec('BEGIN IMMEDIATE'), isNodeSqliteBusy, deadlineMs);
    try {
      const rows = statements.map(({ text, bindings }) => this.#statements.get(text).all(bindings));
      this.presence.assert();
      // In WAL mode a COMMIT does not meet a lock; if it ever does, the transaction is still open and can be tried again.
      await retryWhileBusy(() => this.#connection.exec('COMMIT'), isNodeSqliteBusy, deadlineMs);
      return rows;
    } catch (error) {
      // Some errors (a full disk) have rolled back already.
      if (this.#connection.isTransaction) this.#connection.exec('ROLLBACK');
      throw error;
    }
  }

  async #shareTurn(): Promise<void> {
    if (performance.now() - this.#turnStartedMs < MAX_TURN_MS) return;
    await nextTurn();
    this.#turnStartedMs = performance.now();
  }
}
