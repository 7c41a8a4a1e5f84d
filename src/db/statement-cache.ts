import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** Compiling costs more than half of a point query. Enough for every statement of the product, and a bound for generated SQL. */
const MAX_STATEMENTS = 500;

/** The compiled statements of one connection, least recently used first. */
export class StatementCache {
  readonly #connection: DatabaseSync;
  readonly #check: (text: string) => void;
  readonly #statements = new Map<string, StatementSync>();

  /** `check` sees each text once, when it is compiled, and throws to refuse it. */
  constructor(connection: DatabaseSync, check: (text: string) => void) {
    this.#connection = connection;
    this.#check = check;
  }

  get(text: string): StatementSync {
    const known = this.#statements.get(text);
    if (known !== undefined) this.#statements.delete(text);
    const statement = known ?? this.#compile(text);
    this.#statements.set(text, statement);
    if (this.#statements.size > MAX_STATEMENTS) this.#evictOldest();
    return statement;
  }

  #compile(text: string): StatementSync {
    this.#check(text);
    return this.#connection.prepare(text);
  }

  #evictOldest(): void {
    const oldest = this.#statements.keys().next();
    if (!oldest.done) this.#statements.delete(oldest.value);
  }
}
