import { LibsqlError } from '@libsql/client/http';
import { AppError } from '../errors/app-error.ts';
import { isBusy, type SqliteFailure, toDatabaseError } from './errors.ts';

/** SQLite's result codes by the names that servers report; libsql-server knows the primary ones alone. */
const SQLITE_CODES: Readonly<Record<string, number>> = {
  SQLITE_BUSY: 5,
  SQLITE_LOCKED: 6,
  SQLITE_NOMEM: 7,
  SQLITE_READONLY: 8,
  SQLITE_IOERR: 10,
  SQLITE_CORRUPT: 11,
  SQLITE_FULL: 13,
  SQLITE_CANTOPEN: 14,
  SQLITE_CONSTRAINT: 19,
  SQLITE_MISMATCH: 20,
  SQLITE_NOTADB: 26,
  SQLITE_CONSTRAINT_CHECK: 275,
  SQLITE_CONSTRAINT_FOREIGNKEY: 787,
  SQLITE_CONSTRAINT_NOTNULL: 1299,
  SQLITE_CONSTRAINT_PRIMARYKEY: 1555,
  SQLITE_CONSTRAINT_TRIGGER: 1811,
  SQLITE_CONSTRAINT_UNIQUE: 2067,
  SQLITE_CONSTRAINT_ROWID: 2579,
  SQLITE_CONSTRAINT_DATATYPE: 3091,
  // Of the server itself (libsql-server: src/hrana/stmt.rs): the write lock was not to be had, or was taken away after five
  // seconds. Either way the transaction was rolled back.
  TRANSACTION_BUSY: 5,
  TRANSACTION_TIMEOUT: 5,
};

const CODE_OF_A_STATEMENT = /^(?:SQLITE|SQL|ARGS|TRANSACTION)_/;

/** Whether the server said that the write lock is held; the statements have then changed nothing. */
export function isRemoteBusy(error: unknown): boolean {
  const failure = statementFailure(error);
  return failure !== null && isBusy(failure);
}

/** Whether the trouble lies on the way to the server, so that a read may be asked again. */
export function isTransient(error: unknown): boolean {
  const status = httpStatus(error);
  if (status !== null) return status >= 500 || status === 408 || status === 429;
  return isFetchFailure(error) || isBrokenAnswer(error) || hasClientCode(error, 'STREAM_EXPIRED');
}

/** The error that callers of `Database` get for one of the client. Errors that are not of the client stay themselves. */
export function fromRemote(error: unknown): unknown {
  const failure = statementFailure(error);
  if (failure !== null) return toDatabaseError(failure, error);
  if (isTransient(error)) return new AppError('database_unavailable', undefined, { cause: error });
  return error instanceof LibsqlError ? new AppError('database_unavailable', refusal(error), { cause: error }) : error;
}

function refusal(error: LibsqlError): string {
  const status = httpStatus(error);
  if (status === 401 || status === 403) return 'The database server refused the token.';
  if (error.code === 'BLOCKED') return 'The database server has blocked the operation.';
  return 'The database server refused the request.';
}

/** The failure of a statement that reached the engine, or null for any other error. */
function statementFailure(error: unknown): SqliteFailure | null {
  if (!(error instanceof LibsqlError) || !CODE_OF_A_STATEMENT.test(error.code)) return null;
  // The client puts the code in front of the server's text, and the server its own words.
  const text = error.cause instanceof Error ? error.cause.message : error.message;
  return { code: resultCode(error.code), message: text.replace(/^(?:SQLite error|SQLITE_\w+): /, '') };
}

/** An extended name that is not in the table still tells its primary code. 1 is SQLite's code for a mistake in the SQL. */
function resultCode(name: string): number {
  const primaryName = name.split('_', 2).join('_');
  return SQLITE_CODES[name] ?? SQLITE_CODES[primaryName] ?? 1;
}

function httpStatus(error: unknown): number | null {
  const cause = error instanceof LibsqlError ? error.cause : null;
  return cause instanceof Error && 'status' in cause && typeof cause.status === 'number' ? cause.status : null;
}

/** `fetch` reports every failed connection as a TypeError with a cause, and a passed time limit as a DOMException. */
function isFetchFailure(error: unknown): boolean {
  if (error instanceof DOMException) return error.name === 'TimeoutError' || error.name === 'AbortError';
  return error instanceof TypeError && error.cause !== undefined;
}

/** An answer that is no JSON, or not of the protocol, is not the server's: a proxy's page, or cut off. */
function isBrokenAnswer(error: unknown): boolean {
  return error instanceof SyntaxError || hasClientCode(error, 'HRANA_PROTO_ERROR');
}

function hasClientCode(error: unknown, code: string): boolean {
  return error instanceof LibsqlError && error.code === code;
}
