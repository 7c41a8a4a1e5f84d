import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { AppError } from '../errors/app-error.ts';
import { retryWhileBusy } from './busy.ts';
import type { Database } from './database.ts';
import { fromNodeSqlite, isBusy, isNodeSqliteBusy, toDatabaseError } from './errors.ts';
import { assertWhole } from './file-presence.ts';
import type { Durability } from './pragmas.ts';
import { Reader } from './reader.ts';
import { ReaderFailure, ReaderPool } from './reader-pool.ts';
import type { Row, Statement } from './sql.ts';
import { toBindings } from './values.ts';
import { Writer } from './writer.ts';

export interface FileDatabaseOptions {
  readonly path: string;
  /** `normal`: a commit survives the death of the process; `full`: also the loss of power, for 0.3 ms a commit. */
  readonly durability: Durability;
  /** How long a batch may wait for the write lock, from its call on. Default 15,000. */
  readonly busyTimeoutMs?: number;
  /** Most reader threads. Default 1. */
  readonly readers?: number;
}

/**
 * Opens a database file through the SQLite that is part of Node, and creates it (for its owner alone) where it is missing;
 * its folder must exist. Throws `AppError` database_unavailable when it cannot be opened, database_busy when it stays
 * locked.
 */
export async function openFileDatabase(options: FileDatabaseOptions): Promise<Database> {
  const { durability, busyTimeoutMs = 15_000, readers = 1 } = options;
  const path = resolve(options.path);
  const deadlineMs = performance.now() + busyTimeoutMs;
  try {
    await assertWhole(path);
    await createPrivately(path);
    const writer = await Writer.open(path, durability, deadlineMs);
    const reader = await openReader(path, deadlineMs, writer);
    return new FileDatabase({ path, busyTimeoutMs, writer, reader, pool: new ReaderPool(path, readers) });
  } catch (error) {
    throw toOpenError(error);
  }
}

interface Parts {
  readonly path: string;
  readonly busyTimeoutMs: number;
  readonly writer: Writer;
  readonly reader: Reader;
  readonly pool: ReaderPool;
}

class FileDatabase implements Database {
  readonly path: string;
  readonly #parts: Parts;
  #closing: Promise<void> | null = null;

  constructor(parts: Parts) {
    this.path = parts.path;
    this.#parts = parts;
  }

  async query<R = Row>(statement: Statement<R>, options: { offThread?: boolean } = {}): Promise<R[]> {
    this.#assertOpen();
    const { pool, reader, writer } = this.#parts;
    writer.presence.assertLately();
    const bindings = toBindings(statement.values);
    const from = options.offThread === true ? pool : reader;
    return (await this.#whileBusy<Row[]>(() => from.query(statement.text, bindings))) as R[];
  }

  async batch(statements: readonly Statement[]): Promise<Row[][]> {
    this.#assertOpen();
    const bound = statements.map(({ text, values }) => ({ text, bindings: toBindings(values) }));
    try {
      return await this.#parts.writer.batch(bound, this.#deadlineMs());
    } catch (error) {
      throw fromDriver(error);
    }
  }

  async dataVersion(): Promise<number | null> {
    const [row] = await this.query<{ data_version: number }>({ text: 'PRAGMA data_version', values: [] });
    return row?.data_version ?? null;
  }

  async copyTo(path: string): Promise<void> {
    this.#assertOpen();
    await this.#whileBusy(() => this.#parts.pool.copyTo(path));
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeAll();
    return this.#closing;
  }

  async #closeAll(): Promise<void> {
    const { writer, reader, pool } = this.#parts;
    await pool.close();
    reader.close();
    // Last, so that it can fold the write-ahead log into the file.
    await writer.close();
  }

  async #whileBusy<T>(attempt: () => T | Promise<T>): Promise<T> {
    try {
      return await retryWhileBusy(attempt, isDriverBusy, this.#deadlineMs());
    } catch (error) {
      throw fromDriver(error);
    }
  }

  #deadlineMs(): number {
    return performance.now() + this.#parts.busyTimeoutMs;
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new AppError('database_unavailable', 'The database is closed.');
  }
}

async function openReader(path: string, deadlineMs: number, writer: Writer): Promise<Reader> {
  try {
    return await retryWhileBusy(() => new Reader(path), isNodeSqliteBusy, deadlineMs);
  } catch (error) {
    await writer.close();
    throw error;
  }
}

/**
 * The content is private: the umask of a service must not make it readable for everybody. A file that exists is not even
 * opened: closing it here would drop the POSIX locks that other connections of this process hold on it.
 */
async function createPrivately(path: string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

function isDriverBusy(error: unknown): boolean {
  return error instanceof ReaderFailure ? isBusy(error.failure) : isNodeSqliteBusy(error);
}

function fromDriver(error: unknown): unknown {
  return error instanceof ReaderFailure ? toDatabaseError(error.failure, error) : fromNodeSqlite(error);
}

function toOpenError(error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error)) return fromNodeSqlite(error);
  return new AppError('database_unavailable', 'The database file cannot be opened.', { cause: error });
}
