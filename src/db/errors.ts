import { AppError } from '../errors/app-error.ts';
import { ConstraintError, requiredCodeIn } from './database.ts';

// Result codes of SQLite (https://www.sqlite.org/rescode.html). The low byte of an extended code is its primary code.
const BUSY = 5;
const LOCKED = 6;
const CONSTRAINT = 19;
const MISMATCH = 20;

const CONSTRAINT_KINDS: Readonly<Record<number, ConstraintError['kind']>> = {
  275: 'check',
  787: 'foreign_key',
  1299: 'not_null',
  1555: 'unique', // PRIMARY KEY
  1811: 'trigger', // RAISE(ABORT, …)
  2067: 'unique',
  2579: 'unique', // ROWID
};

const CONSTRAINT_TEXTS: readonly (readonly [string, ConstraintError['kind']])[] = [
  ['UNIQUE constraint failed', 'unique'],
  ['PRIMARY KEY must be unique', 'unique'],
  ['FOREIGN KEY constraint failed', 'foreign_key'],
  ['CHECK constraint failed', 'check'],
  ['NOT NULL constraint failed', 'not_null'],
  ['cannot store ', 'other'],
  ['constraint failed', 'other'],
];

const UNAVAILABLE: Readonly<Record<number, string>> = {
  7: 'The database ran out of memory.',
  8: 'The database is read-only.',
  10: 'The disk that holds the database reported an error.',
  11: 'The database file is damaged.',
  13: 'The disk that holds the database is full.',
  14: 'The database file cannot be opened.',
  26: 'The file is not a database.',
};

/** What is known of an error of SQLite, whichever driver reported it. */
export interface SqliteFailure {
  /** The extended result code, or the primary one where the driver knows no more. */
  readonly code: number;
  readonly message: string;
}

export function isBusy(failure: SqliteFailure): boolean {
  return primary(failure) === BUSY || primary(failure) === LOCKED;
}

/**
 * The error that callers of `Database` get: `AppError` for what `requireThat` refused and for what the operator must mend,
 * `ConstraintError` for a violated constraint; anything else is a mistake in the SQL and keeps its text, for the log.
 */
export function toDatabaseError(failure: SqliteFailure, cause: unknown): Error {
  const required = requiredCodeIn(failure.message);
  if (required !== null) return new AppError(required, undefined, { cause });
  if (isBusy(failure)) return new AppError('database_busy', undefined, { cause });
  const kind = constraintKind(failure);
  if (kind !== null) return new ConstraintError(kind, failure.message, { cause });
  const unavailable = UNAVAILABLE[primary(failure)];
  if (unavailable !== undefined) return new AppError('database_unavailable', unavailable, { cause });
  return new Error(`SQL failed: ${failure.message}`, { cause });
}

/** The failure in an error of `node:sqlite`, or null for any other error. */
export function nodeSqliteFailure(error: unknown): SqliteFailure | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return { code: error.errcode, message: error.message };
}

/** Maps what `node:sqlite` throws; an error that is not of SQLite (a refused value, a too large integer) stays itself. */
export function fromNodeSqlite(error: unknown): unknown {
  const failure = nodeSqliteFailure(error);
  return failure === null ? error : toDatabaseError(failure, error);
}

export function isNodeSqliteBusy(error: unknown): boolean {
  const failure = nodeSqliteFailure(error);
  return failure !== null && isBusy(failure);
}

function constraintKind(failure: SqliteFailure): ConstraintError['kind'] | null {
  if (primary(failure) === MISMATCH) return 'other';
  if (primary(failure) !== CONSTRAINT) return null;
  return CONSTRAINT_KINDS[failure.code] ?? constraintKindOf(failure);
}

/** Some servers report the primary code alone; then the text tells the kinds apart, and any other text is a trigger's. */
function constraintKindOf({ code, message }: SqliteFailure): ConstraintError['kind'] {
  if (code !== CONSTRAINT) return 'other';
  const kind = CONSTRAINT_TEXTS.find(([prefix]) => message.startsWith(prefix))?.[1];
  return kind ?? 'trigger';
}

function primary(failure: SqliteFailure): number {
  return failure.code & 0xff;
}
