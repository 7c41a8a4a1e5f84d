import { DatabaseSync } from 'node:sqlite';
import { configureReader } from './pragmas.ts';
import type { Row } from './sql.ts';
import { StatementCache } from './statement-cache.ts';
import { assertReads } from './statement-check.ts';
import type { Binding } from './values.ts';

/** A read-only connection to the file. Every call runs to its end, so no read transaction outlives it. */
export class Reader {
  readonly #connection: DatabaseSync;
  readonly #statements: StatementCache;

  constructor(path: string) {
    this.#connection = new DatabaseSync(path, { readOnly: true });
    configureReader(this.#connection);
    this.#statements = new StatementCache(this.#connection, assertReads);
  }

  query(text: string, bindings: readonly Binding[]): Row[] {
    return this.#statements.get(text).all(bindings);
  }

  /** A compact copy of the database as it is now, in a new file. */
  copyTo(path: string): void {
    this.#connection.prepare('VACUUM INTO ?').all(path);
  }

  close(): void {
    this.#connection.close();
  }
}
