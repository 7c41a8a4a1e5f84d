import { splitStatements, statementVerb } from '../../src/db/split-statements.ts';
import type { Engine, EngineResult } from './engine.ts';
import {
  type BatchResult,
  type BatchStep,
  type Condition,
  HranaError,
  type HranaErrorBody,
  type HranaStatement,
  type SqlReference,
  type StatementResult,
  type StreamRequest,
  type StreamResult,
} from './protocol.ts';
import { decodeValue, encodeValue } from './values.ts';

export interface StreamOptions {
  readonly version: 2 | 3;
  /** The connection, this stream's alone until it is closed. */
  readonly engine: Engine;
  readonly onClose: () => void;
  /** Asked when the write lock is held elsewhere: takes it from a transaction that has had it for too long. */
  readonly stealWriteLock: () => boolean;
}

/** A stream: one connection with its stored texts, used by one HTTP request at a time. */
export class HranaStream {
  readonly #options: StreamOptions;
  readonly #engine: Engine;
  readonly #storedSql = new Map<number, string>();
  #transactionSinceMs: number | null = null;
  #hasTimedOut = false;
  isClosed = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#engine = options.engine;
  }

  /** When the open transaction began (`performance.now()`), null where none is open. */
  get transactionSinceMs(): number | null {
    return this.#engine.inTransaction ? this.#transactionSinceMs : null;
  }

  /** `beforeStep` is awaited before each step of a batch with its number, from 0: the server may stand still there. */
  async handle(request: StreamRequest, beforeStep: (step: number) => Promise<void>): Promise<StreamResult> {
    if (this.isClosed) throw new HranaError('STREAM_CLOSED', 'The stream is closed.', { endsStream: true });
    try {
      return { type: 'ok', response: { type: request.type, ...(await this.#respond(request, beforeStep)) } };
    } catch (error) {
      return { type: 'error', error: toErrorBody(error) };
    }
  }

  /** Rolls the transaction back to give its lock to somebody else; the next statement is told. */
  timeOut(): void {
    this.#engine.execute('ROLLBACK', []);
    this.#hasTimedOut = true;
  }

  /** What was not committed is undone. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.#engine.inTransaction) this.#engine.execute('ROLLBACK', []);
    this.#options.onClose();
  }

  async #respond(
    request: StreamRequest,
    beforeStep: (step: number) => Promise<void>,
  ): Promise<Record<string, unknown>> {
    switch (request.type) {
      case 'execute':
        return { result: this.#execute(request.stmt) };
      case 'batch':
        return { result: await this.#batch(request.batch.steps, beforeStep) };
      case 'sequence':
        for (const sql of splitStatements(this.#sqlOf(request))) this.#execute({ sql });
        return {};
      case 'describe':
        return { result: this.#describe(this.#sqlOf(request)) };
      case 'store_sql':
        this.#storedSql.set(request.sql_id, request.sql);
        return {};
      case 'close_sql':
        this.#storedSql.delete(request.sql_id);
        return {};
      case 'get_autocommit':
        this.#requireVersion3('get_autocommit');
        return { is_autocommit: !this.#engine.inTransaction };
      case 'close':
        this.close();
        return {};
      default:
        throw new HranaError('HRANA_PROTO_ERROR', 'The request has an unknown type.', { endsStream: true });
    }
  }

  #execute(statement: HranaStatement): StatementResult {
    if (this.#hasTimedOut) {
      this.#hasTimedOut = false;
      throw new HranaError('TRANSACTION_TIMEOUT', 'Transaction timed out');
    }
    const sql = this.#sqlOf(statement);
    const found = splitStatements(sql).length;
    if (found === 0) throw new HranaError('SQL_NO_STATEMENT', 'SQL string does not contain any statement');
    if (found > 1) throw new HranaError('SQL_MANY_STATEMENTS', 'SQL string contains more than one statement');
    // A name that the statement lacks would abort the engine's process.
    if ((statement.named_args ?? []).length > 0)
      throw new HranaError('ARGS_INVALID', 'Named arguments are not offered');
    return toResult(this.#run(sql, statement), statement.want_rows ?? true);
  }

  #run(sql: string, { args = [] }: HranaStatement): EngineResult {
    const values = args.map(decodeValue);
    if (statementVerb(sql) !== 'BEGIN') return this.#engine.execute(sql, values);
    const result = this.#begin(sql);
    this.#transactionSinceMs = performance.now();
    return result;
  }

  #begin(sql: string): EngineResult {
    try {
      return this.#engine.execute(sql, []);
    } catch (error) {
      const isBusy = error instanceof HranaError && error.code === 'SQLITE_BUSY';
      if (!isBusy || !this.#options.stealWriteLock()) throw error;
      return this.#engine.execute(sql, []);
    }
  }

  async #batch(steps: readonly BatchStep[], beforeStep: (step: number) => Promise<void>): Promise<BatchResult> {
    const results: (StatementResult | null)[] = [];
    const errors: (HranaErrorBody | null)[] = [];
    for (const [step, { stmt, condition }] of steps.entries()) {
      await beforeStep(step);
      if (this.isClosed) throw new HranaError('STREAM_CLOSED', 'The stream is closed.', { endsStream: true });
      const isDue = condition === undefined || condition === null || this.#holds(condition, results, errors);
      const outcome = isDue ? this.#try(stmt) : { result: null, error: null };
      results.push(outcome.result);
      errors.push(outcome.error);
    }
    return { step_results: results, step_errors: errors };
  }

  #try(stmt: HranaStatement): { result: StatementResult | null; error: HranaErrorBody | null } {
    try {
      return { result: this.#execute(stmt), error: null };
    } catch (error) {
      return { result: null, error: toErrorBody(error) };
    }
  }

  /** A step that was not run is neither ok nor an error. */
  #holds(condition: Condition, results: readonly unknown[], errors: readonly unknown[]): boolean {
    switch (condition.type) {
      case 'ok':
        return (results[condition.step] ?? null) !== null;
      case 'error':
        return (errors[condition.step] ?? null) !== null;
      case 'not':
        return !this.#holds(condition.cond, results, errors);
      case 'and':
        return condition.conds.every((part) => this.#holds(part, results, errors));
      case 'or':
        return condition.conds.some((part) => this.#holds(part, results, errors));
      case 'is_autocommit':
        this.#requireVersion3('is_autocommit');
        return !this.#engine.inTransaction;
      default:
        throw new HranaError('HRANA_PROTO_ERROR', 'The condition has an unknown type.', { endsStream: true });
    }
  }

  #describe(sql: string): Record<string, unknown> {
    const { columns, isReadOnly } = this.#engine.describe(sql);
    const params = [...sql.matchAll(/\?(?!\d)/g)].map(() => ({ name: null }));
    return { params, cols: columns, is_explain: statementVerb(sql) === 'EXPLAIN', is_readonly: isReadOnly };
  }

  #sqlOf({ sql, sql_id: sqlId }: SqlReference): string {
    const stored = typeof sqlId === 'number' ? this.#storedSql.get(sqlId) : undefined;
    const text = sql ?? stored;
    if (text === undefined) throw new HranaError('SQL_NOT_FOUND', 'There is no such SQL text on the stream.');
    return text;
  }

  #requireVersion3(what: string): void {
    if (this.#options.version >= 3) return;
    throw new HranaError('HRANA_PROTO_ERROR', `${what} needs version 3 of the protocol.`, { endsStream: true });
  }
}

function toResult(result: EngineResult, wantRows: boolean): StatementResult {
  return {
    cols: result.columns,
    rows: wantRows ? result.rows.map((row) => row.map(encodeValue)) : [],
    affected_row_count: result.changes,
    last_insert_rowid: result.lastInsertRowid.toString(),
  };
}

function toErrorBody(error: unknown): HranaErrorBody {
  if (!(error instanceof HranaError) || error.endsStream) throw error;
  return { message: error.message, code: error.code };
}
