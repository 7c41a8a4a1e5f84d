import type { Database } from '../db/database.ts';
import { type AppError, hasCode } from '../errors/app-error.ts';

/**
 * Whether the error says that a database file is full, damaged, read-only or gone. A server that cannot be reached may come
 * back; a file needs somebody who sees that its worker has ended.
 */
export function isFileBroken(db: Database, error: unknown): error is AppError {
  return db.path !== null && hasCode(error, 'database_unavailable');
}
