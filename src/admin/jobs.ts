import { z } from 'zod';
import type { JobHandler } from '../jobs/index.ts';
import { sweepExpired } from './expiry/sweep-expired.ts';

/** The type of the job that deletes what has expired. */
export const EXPIRE_CONTENT = 'expire_content';

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
