import { databaseNow } from '../../db/clock.ts';
import type { Database } from '../../db/database.ts';
import { type DeadLetter, type DeadLetterFilter, deadLetters, reviveJobs } from './queries.ts';

/**
 * Runs the failed jobs that fit the filter again, the oldest first, and answers how many. Jobs that fail while it is at
 * work are left alone, so it ends although what it revives may fail at once. A job whose unique key another one has taken
 * up stays failed. Many short transactions, so part of it stays done when it throws; calling it again does the rest.
 */
export async function redriveDeadLetters(db: Database, filter: DeadLetterFilter): Promise<number> {
  const until = await databaseNow(db);
  let after: DeadLetter = { seq: 0, failedAt: Number.MIN_SAFE_INTEGER };
  let count = 0;
  for (;;) {
    const slice = await db.query(deadLetters(filter, after, until), { offThread: true });
    const last = slice.at(-1);
    if (last === undefined) return count;
    const [revived] = await db.batch([reviveJobs(slice.map(({ seq }) => seq))]);
    count += revived!.length;
    after = last;
  }
}
