import { databaseNow } from '../../db/clock.ts';
import type { Database } from '../../db/database.ts';
import { type QueueState, selectQueues } from '../../jobs/index.ts';
import {
  type Counts,
  type DatabaseSize,
  type StoredFiles,
  selectCacheSize,
  selectCounts,
  selectDatabaseSize,
  selectStoredFiles,
} from './queries.ts';

export interface Statistics {
  /** Milliseconds by the database's clock. */
  takenAt: number;
  queues: QueueState[];
  cache: { entries: number; bytes: number };
  counts: Counts;
  database: DatabaseSize;
  files: StoredFiles;
}

/** How the system is doing, from figures that take the same short time whatever there is. */
export async function readStatistics({ db }: { db: Database }): Promise<Statistics> {
  const [takenAt, queues, cache, counts, database, files] = await Promise.all([
    databaseNow(db),
    selectQueues(db),
    selectCacheSize(db),
    selectCounts(db),
    selectDatabaseSize(db),
    selectStoredFiles(db),
  ]);
  return { takenAt, queues, cache, counts, database, files };
}
