import { ERROR_CODES, type ErrorCode } from '../errors/codes.ts';
import type { Row, Sql, Statement } from './sql.ts';

export type { Row, Statement } from './sql.ts';

/**
 * The one interface to the database, the same over a file (`file-database.ts`) and over HTTP (`remote-database.ts`). There
 * is no interactive transaction on purpose: a remote server expires idle streams, so what must be atomic is one statement
 * with its condition inside, or one batch.
 */
export interface Database {
  /**
   * Rows of one reading statement. `offThread` runs it on a reader thread: for anything that may take more than a few
   * milliseconds, since the file driver is synchronous. Sees every batch that was answered before.
   */
  query<R = Row>(statement: Statement<R>, options?: { offThread?: boolean }): Promise<R[]>;
  /**
   * Runs the statements in order in one write transaction: all of them, or none and a throw. Answers the rows of each
   * (RETURNING rows come in no order). Waits for the write lock asynchronously; `database_busy` after `busyTimeoutMs`.
   * A failed `requireThat` throws `AppError` with its code; a violated constraint throws `ConstraintError`.
   */
  batch(statements: readonly Statement[]): Promise<Row[][]>;
  /** Changes whenever a batch of this or another process was committed, at the cost of a few µs. Null where unknown. */
  dataVersion(): Promise<number | null>;
  /** Where the database is a file: its path. Null for a server. */
  readonly path: string | null;
  /**
   * Writes a compact, consistent copy to a new file while the database stays in use. Only where `path` is not null; throws
   * `AppError` database_unavailable when the copy cannot be written.
   */
  copyTo(path: string): Promise<void>;
  /** Waits for what was asked before. May be called twice; every other call afterwards throws. */
  close(): Promise<void>;
}

/** A constraint of the schema was violated; what that means is for the caller to say. */
export class ConstraintError extends Error {
  readonly kind: 'unique' | 'foreign_key' | 'check' | 'not_null' | 'trigger' | 'other';
  constructor(kind: ConstraintError['kind'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConstraintError';
    this.kind = kind;
  }
}

/**
 * A statement that aborts its batch with `code` unless `condition` (a boolean SQL expression) is true. It yields no error
 * function of SQLite's own, so it asks JSON for a path that does not exist: the path, and so the code, comes back in the
 * error text of both drivers. The path depends on the condition, so no optimiser can evaluate it early.
 */
export function requireThat(condition: Sql, code: ErrorCode): Statement {
  return {
    text: `SELECT json_extract('{}', CASE WHEN (${condition.text}) THEN '$' ELSE 'require:${code}' END) AS ok`,
    values: condition.values,
  };
}

/** The code in the text of an error of SQLite, if `requireThat` or a trigger's `RAISE(ABORT, 'require:code')` raised it. */
export function requiredCodeIn(message: string): ErrorCode | null {
  const code = /^(?:bad JSON path: 'require:([a-z_]+)'|require:([a-z_]+)$)/.exec(message)?.slice(1).find(Boolean);
  return code !== undefined && Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : null;
}
