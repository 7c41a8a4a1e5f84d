import { LibsqlError } from '@libsql/client/http';
import { AppError } from '../errors/app-error.ts';
import { isBusy, type SqliteFailure, toDatabaseError } from './errors.ts';

/** The names under which servers report SQLite's result codes; others that start with SQLITE_ are mistakes in the SQL. */
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
};

/** Whether the server said that the lock is held; the statements have then changed nothing. */
export function isRemoteBusy(error: unknown): boolean {
  const failure = remoteFailure(error);
  return failure !== null && isBusy(failure);
}

/** Whether the trouble lies on the way to the server, so that a read may be asked again. */
export function isTransient(error: unknown): boolean {
  if (remoteFailure(error) !== null || httpStatus(error) === 401) return false;
  return error instanceof LibsqlError || isFetchFailure(error);
}

export function fromRemote(error: unknown): unknown {
  const failure = remoteFailure(error);
  if (failure !== null) return toDatabaseError(failure, error);
  if (httpStatus(error) === 401 || httpStatus(error) === 403) {
    return new AppError('database_unavailable', 'The database server refused the token.', { cause: error });
  }
  if (isTransient(error)) return new AppError('database_unavailable', undefined, { cause: error });
  return error;
}

function remoteFailure(error: unknown): SqliteFailure | null {
  if (!(error instanceof LibsqlError) || !/^(SQLITE|SQL)_/.test(error.code)) return null;
  // The client puts the code in front of the server's text, and some servers put their own words there.
  const text = error.cause instanceof Error ? error.cause.message : error.message;
  return { code: sqliteCode(error.code), message: text.replace(/^(?:SQLite error|SQLITE_\w+): /, '') };
}

/** An extended name that is not in the table still tells its primary code. */
function sqliteCode(name: string): number {
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
