import { setTimeout as sleep } from 'node:timers/promises';
import type { Database } from '../../../db/database.ts';
import { type Job, type JobAudience, selectJob } from '../../../jobs/index.ts';

const LOOK_MS = 50;
/** Where the database cannot say that it has changed, the row itself is read, less often. */
const BLIND_LOOK_MS = 500;
/** How long a caller whose session or key has ended may go on watching. */
const CONFIRM_MS = 1_000;

/**
 * The job as it is now, then each time it has changed, until it has ended, `enough` aborts, it is not (or no longer) to be
 * seen, or its watcher is no longer who may see it. At least one look is taken, whatever the signal says.
 */
export async function* watchJob(
  db: Database,
  jobId: string,
  audience: JobAudience,
  { enough, isStillCaller }: { enough: AbortSignal; isStillCaller: () => Promise<boolean> },
): AsyncGenerator<Job> {
  let shown: number | null = null;
  let version: number | null = null;
  let confirmedMs = performance.now();
  do {
    if (performance.now() - confirmedMs >= CONFIRM_MS) {
      if (!(await isStillCaller())) return;
      confirmedMs = performance.now();
    }
    const current = await db.dataVersion();
    if (current === null || current !== version || shown === null) {
      version = current;
      const job = await selectJob(db, jobId, audience);
      if (job === null) return;
      const mark = job.updatedAt * 10 + (job.finishedAt === null ? 0 : 1);
      if (mark !== shown) yield job;
      shown = mark;
      if (job.finishedAt !== null) return;
    }
    await sleep(current === null ? BLIND_LOOK_MS : LOOK_MS, undefined, { signal: enough }).catch(() => {
      // Only the signal ends a sleep early, and the loop looks at it.
    });
  } while (!enough.aborted);
}
