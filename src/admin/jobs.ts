import { z } from 'zod';
import type { Database } from '../db/database.ts';
import type { JobHandler } from '../jobs/index.ts';
import { sweepExpired } from './expiry/sweep-expired.ts';
import { INVARIANTS } from './invariants.ts';

/** The type of the job that deletes what has expired. */
export const EXPIRE_CONTENT = 'expire_content';

/** The type of the job that looks every night for what `anyrag doctor` would find in the data. */
export const CHECK_DATA = 'check_data';

/** The outcome says what went; of interest for a while only. */
const RESULT_TTL_MS = 7 * 86_400_000;

/** Deletes everything that has expired, slice by slice, and answers how much of each kind. */
export function expireContentHandler(): JobHandler<object> {
  return {
    payload: z.strictObject({}),
    concurrency: 1,
    resultTtlMs: RESULT_TTL_MS,
    async run(_payload, context) {
      const { deleted } = await sweepExpired({
        subject: context.subject,
        write(statements) {
          context.signal.throwIfAborted();
          return context.write(statements);
        },
      });
      return deleted;
    },
  };
}

/** Counts what breaks each invariant and answers the counts by their names; what is broken is logged as well. Changes nothing. */
export function checkDataHandler({ db }: { db: Database }): JobHandler<object> {
  return {
    payload: z.strictObject({}),
    concurrency: 1,
    resultTtlMs: RESULT_TTL_MS,
    async run(_payload, { log, progress, signal }) {
      const counts: Record<string, number> = {};
      for (const [index, { name, sql, violation, repair }] of INVARIANTS.entries()) {
        signal.throwIfAborted();
        progress(name, index, INVARIANTS.length);
        const [row] = await db.query(sql, { offThread: true });
        counts[name] = row!.n;
        if (row!.n > 0) log.warn({ invariant: name, violations: row!.n }, `${row!.n} ${violation}. ${repair}`);
      }
      return counts;
    },
  };
}
