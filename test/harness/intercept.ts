import type { Database, Row, Statement } from '../../src/db/database.ts';

type Batch = (statements: readonly Statement[]) => Promise<Row[][]>;

/** The same database, with each batch passed through `batch`, which may fail or wait before or after it runs it. */
export function interceptBatches(
  db: Database,
  batch: (statements: readonly Statement[], run: Batch) => Promise<Row[][]>,
): Database {
  return {
    path: db.path,
    query: (statement, options) => db.query(statement, options),
    batch: (statements) => batch(statements, (passed) => db.batch(passed)),
    dataVersion: () => db.dataVersion(),
    copyTo: (path) => db.copyTo(path),
    close: () => db.close(),
  };
}

export function mentions(statements: readonly Statement[], pattern: RegExp): boolean {
  return statements.some(({ text }) => pattern.test(text));
}

export interface Gate {
  readonly db: Database;
  /** Resolves when the first batch with the pattern has arrived; it waits until `open` is called. */
  readonly reached: Promise<void>;
  open(): void;
}

/** Holds the first batch with this text back before it runs. */
export function holdBatch(db: Database, pattern: RegExp): Gate {
  const reached = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let isFirst = true;
  const gated = interceptBatches(db, async (statements, run) => {
    if (isFirst && mentions(statements, pattern)) {
      isFirst = false;
      reached.resolve();
      await opened.promise;
    }
    return run(statements);
  });
  return { db: gated, reached: reached.promise, open: opened.resolve };
}
