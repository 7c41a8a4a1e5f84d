import { resolve } from 'node:path';
import { AppError } from '../errors/app-error.ts';
import type { Database } from './database.ts';
import { toDatabaseError } from './errors.ts';
import { ReaderFailure, ReaderPool } from './reader-pool.ts';
import type { Row, Statement } from './sql.ts';
import { toBindings } from './values.ts';

/**
 * A database file that is looked at and never changed, such as a copy that lies in a backup. Nothing is made beside it, and
 * the first query finds out whether it is a database at all: `AppError` database_unavailable where it is none.
 */
export function openReadOnlyDatabase(path: string): Database {
  const pool = new ReaderPool(resolve(path), 1);

  async function asDatabaseError<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      throw error instanceof ReaderFailure ? toDatabaseError(error.failure, error) : error;
    }
  }

  return {
    path: resolve(path),
    async query<R = Row>(statement: Statement<R>): Promise<R[]> {
      return (await asDatabaseError(pool.query(statement.text, toBindings(statement.values)))) as R[];
    },
    async batch() {
      throw new AppError('database_unavailable', 'The database is opened for reading only.');
    },
    async dataVersion() {
      return null;
    },
    copyTo: (to) => asDatabaseError(pool.copyTo(to)),
    close: () => pool.close(),
  };
}
