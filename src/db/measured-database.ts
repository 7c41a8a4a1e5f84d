import { type Metrics, secondsSince } from '../telemetry/metrics.ts';
import type { Database } from './database.ts';

type Operation = 'query' | 'query_off_thread' | 'batch';

/** The database, with the time of each call told to `metrics`. */
export function measuredDatabase(db: Database, metrics: Metrics): Database {
  async function measured<T>(operation: Operation, call: () => Promise<T>): Promise<T> {
    const startMs = performance.now();
    let outcome = 'failed';
    try {
      const answer = await call();
      outcome = 'completed';
      return answer;
    } finally {
      const labels = { db_operation_name: operation, outcome };
      metrics.observe('db_client_operation_duration_seconds', labels, secondsSince(startMs));
    }
  }

  return {
    path: db.path,
    query: (statement, options) =>
      measured(options?.offThread === true ? 'query_off_thread' : 'query', () => db.query(statement, options)),
    batch: (statements) => measured('batch', () => db.batch(statements)),
    dataVersion: () => db.dataVersion(),
    copyTo: (path) => db.copyTo(path),
    close: () => db.close(),
  };
}
