import { LibsqlError } from '@libsql/client/http';
import { describe, expect, test } from 'vitest';
import { ConstraintError } from './database.ts';
import { fromRemote, isRemoteBusy } from './remote-errors.ts';

function serverError(code: string, text: string): LibsqlError {
  return new LibsqlError(text, code, undefined, undefined, new Error(text));
}

describe('a constraint that a server reports', () => {
  test.each([
    ['SQLITE_CONSTRAINT', 'SQLite error: UNIQUE constraint failed: t.a', 'unique'],
    ['SQLITE_CONSTRAINT', 'SQLite error: FOREIGN KEY constraint failed', 'foreign_key'],
    ['SQLITE_CONSTRAINT', 'SQLite error: CHECK constraint failed: n < 5', 'check'],
    ['SQLITE_CONSTRAINT', 'SQLite error: NOT NULL constraint failed: t.a', 'not_null'],
    ['SQLITE_CONSTRAINT', 'SQLite error: cannot store TEXT value in INTEGER column t.a', 'other'],
    ['SQLITE_CONSTRAINT', 'SQLite error: the last admin stays', 'trigger'],
    ['SQLITE_CONSTRAINT_PRIMARYKEY', 'SQLITE_CONSTRAINT_PRIMARYKEY: UNIQUE constraint failed: t.a', 'unique'],
    ['SQLITE_CONSTRAINT_TRIGGER', 'UNIQUE constraint failed: so says a trigger', 'trigger'],
    ['SQLITE_CONSTRAINT_VTAB', 'constraint failed', 'other'],
    ['SQLITE_MISMATCH', 'SQLite error: datatype mismatch', 'other'],
  ])('as %s (%s) is of kind %s', (code, text, kind) => {
    const error = fromRemote(serverError(code, text));
    expect(error).toBeInstanceOf(ConstraintError);
    expect(error).toMatchObject({ kind });
    expect((error as Error).message).not.toMatch(/SQLite error|SQLITE_/);
  });
});

describe('an error of a server', () => {
  test.each([
    ['SQLITE_BUSY', 'SQLite error: database is locked', 'database_busy'],
    ['TRANSACTION_TIMEOUT', 'Transaction timed out', 'database_busy'],
    ['TRANSACTION_BUSY', 'Server cannot handle additional transactions', 'database_busy'],
    ['SQLITE_UNKNOWN', "SQLite error: bad JSON path: 'require:not_found'", 'not_found'],
    ['SQLITE_FULL', 'SQLite error: database or disk is full', 'database_unavailable'],
    ['STREAM_EXPIRED', 'The stream has expired due to inactivity', 'database_unavailable'],
    ['BLOCKED', 'Operation was blocked: over the quota', 'database_unavailable'],
  ])('%s (%s) becomes %s', (code, text, expected) => {
    expect(fromRemote(serverError(code, text))).toMatchObject({ code: expected });
  });

  test.each(['SQLITE_UNKNOWN', 'SQL_INPUT_ERROR', 'SQL_MANY_STATEMENTS', 'ARGS_INVALID'])(
    '%s about the SQL stays a mistake of the program',
    (code) => {
      const error = fromRemote(serverError(code, 'no such table: t'));
      expect(error).not.toHaveProperty('code');
      expect(error).toMatchObject({ message: 'SQL failed: no such table: t' });
    },
  );

  test('is busy only when nothing was changed', () => {
    expect(isRemoteBusy(serverError('SQLITE_BUSY_SNAPSHOT', 'database is locked'))).toBe(true);
    expect(isRemoteBusy(serverError('SQLITE_CONSTRAINT', 'UNIQUE constraint failed: t.a'))).toBe(false);
    expect(isRemoteBusy(new TypeError('fetch failed', { cause: new Error('ECONNRESET') }))).toBe(false);
  });

  test('of the program itself stays itself', () => {
    const error = new TypeError('NaN cannot be bound.');
    expect(fromRemote(error)).toBe(error);
  });
});
