import { setTimeout as delay } from 'node:timers/promises';
import { type Client, createClient, type InStatement, LibsqlError, type ResultSet } from '@libsql/client/http';
import { AppError } from '../errors/app-error.ts';
import { retryWhileBusy } from './busy.ts';
import type { Database } from './database.ts';
import { fromRemote, isRemoteBusy, isTransient } from './remote-errors.ts';
import type { Row, Sql, SqlOutput, Statement } from './sql.ts';
import { assertBatchStep, assertReads } from './statement-check.ts';
import { toBindings } from './values.ts';

export interface RemoteDatabaseOptions {
  /** `libsql:`, `https:` or `http:`. */
  readonly url: string;
  readonly authToken?: string | undefined;
  /** How long a batch may wait for the server's write lock, from its call on. Default 10,000. */
  readonly busyTimeoutMs?: number;
  /** How long one answer of the server may take. Default 30,000. */
  readonly requestTimeoutMs?: number;
  /** Pauses before a read is asked again. Default 50, 200, 800: enough for a proxy's hiccup, less than a caller's patience. */
  readonly readRetryPausesMs?: readonly number[];
}

/**
 * Connects to Turso Cloud or a libsql-server over HTTP. Throws `AppError` config_invalid for a URL it cannot use or a server
 * that does not enforce foreign keys, database_unavailable when the server cannot be reached.
 */
export async function openRemoteDatabase(options: RemoteDatabaseOptions): Promise<Database> {
  const { busyTimeoutMs = 10_000, readRetryPausesMs = [50, 200, 800] } = options;
  const database = new RemoteDatabase(connect(options), { busyTimeoutMs, readRetryPausesMs });
  try {
    await assertForeignKeys(database);
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}

type Patience = Required<Pick<RemoteDatabaseOptions, 'busyTimeoutMs' | 'readRetryPausesMs'>>;

class RemoteDatabase implements Database {
  readonly path = null;
  readonly #client: Client;
  readonly #patience: Patience;
  readonly #running = new Set<Promise<unknown>>();
  #isClosing = false;

  constructor(client: Client, patience: Patience) {
    this.#client = client;
    this.#patience = patience;
  }

  async query<R = Row>(statement: Statement<R>): Promise<R[]> {
    assertReads(statement.text);
    const prepared = toClientStatement(statement);
    const result = await this.#run(() => this.#retryRead(() => this.#client.execute(prepared)));
    return toRows(result) as R[];
  }

  /**
   * One request. When its answer is lost, nobody here knows whether it was committed, and repeating it could do it twice: the
   * caller gets database_unavailable and looks at the state, or repeats what is safe to repeat.
   */
  async batch(statements: readonly Statement[]): Promise<Row[][]> {
    for (const { text } of statements) assertBatchStep(text);
    const prepared = statements.map(toClientStatement);
    const results = await this.#run(() => this.#client.batch(prepared, 'write'));
    return results.map(toRows);
  }

  async dataVersion(): Promise<null> {
    return null;
  }

  async copyTo(): Promise<never> {
    throw new AppError('database_unavailable', 'A database server makes its own backups.');
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.allSettled(this.#running);
    this.#client.close();
  }

  /** Every request is a connection of its own to the server, so one that failed leaves nothing behind to reconnect. */
  async #run<T>(request: () => Promise<T>): Promise<T> {
    if (this.#isClosing) throw new AppError('database_unavailable', 'The database is closed.');
    const running = retryWhileBusy(request, isRemoteBusy, performance.now() + this.#patience.busyTimeoutMs);
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw fromRemote(error);
    } finally {
      this.#running.delete(running);
    }
  }

  async #retryRead<T>(read: () => Promise<T>): Promise<T> {
    for (const pauseMs of this.#patience.readRetryPausesMs) {
      try {
        return await read();
      } catch (error) {
        if (!isTransient(error)) throw error;
      }
      await delay(pauseMs * (0.5 + Math.random()));
    }
    return read();
  }
}

function connect({ url, authToken, requestTimeoutMs = 30_000 }: RemoteDatabaseOptions): Client {
  try {
    return createClient({
      url,
      intMode: 'number',
      // The client itself would wait for an answer for ever.
      fetch: (request: Request) => fetch(request, { signal: AbortSignal.timeout(Math.ceil(requestTimeoutMs)) }),
      ...(authToken === undefined ? {} : { authToken }),
    });
  } catch (error) {
    if (!(error instanceof LibsqlError)) throw error;
    throw new AppError('config_invalid', 'DATABASE_URL is not a libsql:, https: or http: URL.', { cause: error });
  }
}

/**
 * Each request runs on a connection of the server's choice, where a setting made by an earlier one does not hold, and inside
 * a batch foreign keys can no longer be switched on. So the server has to have them on, as libSQL has by default.
 */
async function assertForeignKeys(database: Database): Promise<void> {
  const [row] = await database.query<{ foreign_keys: number }>({ text: 'PRAGMA foreign_keys', values: [] });
  if (row?.foreign_keys === 1) return;
  throw new AppError('config_invalid', 'The database server does not enforce foreign keys; switch them on there.');
}

function toClientStatement({ text, values }: Sql): InStatement {
  return { sql: text, args: toBindings(values) };
}

function toRows(result: ResultSet): Row[] {
  return result.rows.map((row) => {
    const values = Object.entries(row).map(([name, value]) => [name, toOutput(value)] as const);
    return Object.fromEntries(values);
  });
}

function toOutput(value: ResultSet['rows'][number][string]): SqlOutput {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  // Never, as the client is told to make numbers of them; it throws where one would not be exact.
  if (typeof value === 'bigint') throw new RangeError('An integer is too large for a number.');
  return value ?? null;
}
