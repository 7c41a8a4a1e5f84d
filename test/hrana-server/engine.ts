import Libsql from 'libsql';
import { statementVerb } from '../../src/db/split-statements.ts';
import { type Column, HranaError } from './protocol.ts';
import type { EngineValue } from './values.ts';

export interface EngineResult {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly EngineValue[])[];
  readonly changes: number;
  readonly lastInsertRowid: bigint;
}

const TRANSACTION_VERBS = new Set(['BEGIN', 'COMMIT', 'END', 'ROLLBACK', 'SAVEPOINT', 'RELEASE']);
const WRITING_VERBS = new Set([
  'INSERT',
  'REPLACE',
  'UPDATE',
  'DELETE',
  'CREATE',
  'DROP',
  'ALTER',
  'REINDEX',
  'ANALYZE',
]);

/**
 * One connection of the native libSQL engine, kept away from what makes that package lose commits or abort the process: a
 * BUSY may only happen in `exec('BEGIN IMMEDIATE')`, arguments are always an array without booleans, and statements with
 * rows are read to their end.
 */
export class Engine {
  readonly #connection: Libsql.Database;
  readonly #foreignKeys: boolean;
  #isOpen = true;

  constructor(path: string, foreignKeys: boolean) {
    this.#connection = new Libsql(path, { timeout: 0 } as Libsql.Options);
    this.#connection.exec('PRAGMA journal_mode = WAL');
    // Tests end processes, never the power.
    this.#connection.exec('PRAGMA synchronous = OFF');
    this.#foreignKeys = foreignKeys;
    this.reset();
  }

  /** As a new connection would be, as far as anything here changes one. */
  reset(): void {
    this.#connection.exec(`PRAGMA foreign_keys = ${this.#foreignKeys ? 'ON' : 'OFF'}`);
  }

  /** Whether a transaction is open. Asking the engine after `close` would abort the process. */
  get inTransaction(): boolean {
    return this.#isOpen && this.#connection.inTransaction;
  }

  execute(sql: string, args: readonly EngineValue[]): EngineResult {
    const verb = statementVerb(sql);
    if (TRANSACTION_VERBS.has(verb)) return this.#control(sql);
    if (this.inTransaction || !WRITING_VERBS.has(verb)) return this.#run(sql, args);
    return this.#autocommit(sql, args);
  }

  describe(sql: string): { columns: Column[]; isReadOnly: boolean } {
    const statement = prepare(this.#connection, sql);
    const columns = statement.reader ? columnsOf(statement) : [];
    return { columns, isReadOnly: ['SELECT', 'VALUES', 'EXPLAIN'].includes(statementVerb(sql)) };
  }

  close(): void {
    if (!this.#isOpen) return;
    if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK');
    this.#connection.close();
    this.#isOpen = false;
  }

  #control(sql: string): EngineResult {
    attempt(() => this.#connection.exec(sql));
    return { columns: [], rows: [], changes: 0, lastInsertRowid: 0n };
  }

  #autocommit(sql: string, args: readonly EngineValue[]): EngineResult {
    attempt(() => this.#connection.exec('BEGIN IMMEDIATE'));
    try {
      const result = this.#run(sql, args);
      attempt(() => this.#connection.exec('COMMIT'));
      return result;
    } catch (error) {
      if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK');
      throw error;
    }
  }

  #run(sql: string, args: readonly EngineValue[]): EngineResult {
    const statement = prepare(this.#connection, sql);
    statement.safeIntegers(true);
    const rows = attempt(() => {
      if (statement.reader) return statement.raw(true).all([...args]) as EngineValue[][];
      statement.run([...args]);
      return [];
    });
    const columns = statement.reader ? columnsOf(statement) : [];
    return { columns, rows, ...this.#effects(statementVerb(sql)) };
  }

  #effects(verb: string): { changes: number; lastInsertRowid: bigint } {
    if (!WRITING_VERBS.has(verb)) return { changes: 0, lastInsertRowid: 0n };
    const statement = prepare(this.#connection, 'SELECT changes(), last_insert_rowid()');
    const [row] = statement.safeIntegers(true).raw(true).all([]) as [bigint, bigint][];
    return { changes: Number(row?.[0] ?? 0n), lastInsertRowid: row?.[1] ?? 0n };
  }
}

function prepare(connection: Libsql.Database, sql: string): Libsql.Statement {
  return attempt(() => connection.prepare(sql));
}

function columnsOf(statement: Libsql.Statement): Column[] {
  return statement.columns().map(({ name, type }) => ({ name, decltype: type }));
}

/** Errors as libsql-server reports them: the name of the primary result code, and its own words in front of the text. */
function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof Error) || !('rawCode' in error) || typeof error.rawCode !== 'number') throw error;
    const code = PRIMARY_NAMES[error.rawCode & 0xff] ?? 'SQLITE_UNKNOWN';
    throw new HranaError(code, `SQLite error: ${error.message}`);
  }
}

const PRIMARY_NAMES: Readonly<Record<number, string>> = {
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  19: 'SQLITE_CONSTRAINT',
  20: 'SQLITE_MISMATCH',
};
