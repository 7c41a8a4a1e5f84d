import { z } from 'zod';
import { ERASE_ACCOUNTS, SIGN_IN_UPKEEP } from '../accounts/jobs.ts';
import { CHECK_DATA, EXPIRE_CONTENT } from '../admin/jobs.ts';
import { deleteExpiredEntries } from '../cache/index.ts';
import type { Database, Statement } from '../db/database.ts';
import {
  deleteDeadWorkers,
  expireResults,
  type JobContext,
  type JobHandler,
  LOG_SLICE,
  type NewSchedule,
  pruneByAge,
  pruneIdempotentAnswers,
  pruneLanes,
  pruneRates,
  pruneScheduleFires,
  pruneUpTo,
  SLICE,
  selectFirstSurplus,
} from '../jobs/index.ts';

export const MAINTENANCE = 'maintenance';

/** The outcome says what was cleared away; of interest for a while only. */
const RESULT_TTL_MS = 7 * 86_400_000;
const DAY_MS = 86_400_000;

/** Schedules that every installation has. After an outage one run does the work of all that were missed. */
export const BUILT_IN_SCHEDULES: readonly NewSchedule[] = [
  {
    scheduleId: MAINTENANCE,
    jobType: MAINTENANCE,
    payload: {},
    cron: '*/10 * * * *',
    maxCatchUp: 1,
    uniqueKey: MAINTENANCE,
  },
  {
    scheduleId: SIGN_IN_UPKEEP,
    jobType: SIGN_IN_UPKEEP,
    payload: {},
    cron: '*/5 * * * *',
    maxCatchUp: 1,
    uniqueKey: SIGN_IN_UPKEEP,
  },
  // For what a job of a request has not finished, whatever stopped it.
  {
    scheduleId: ERASE_ACCOUNTS,
    jobType: ERASE_ACCOUNTS,
    payload: {},
    cron: '23 * * * *',
    maxCatchUp: 1,
    uniqueKey: ERASE_ACCOUNTS,
  },
  {
    scheduleId: EXPIRE_CONTENT,
    jobType: EXPIRE_CONTENT,
    payload: {},
    cron: '5-59/10 * * * *',
    maxCatchUp: 1,
    uniqueKey: EXPIRE_CONTENT,
  },
  // At night, since it reads whole tables.
  {
    scheduleId: CHECK_DATA,
    jobType: CHECK_DATA,
    payload: {},
    cron: '41 3 * * *',
    maxCatchUp: 1,
    uniqueKey: CHECK_DATA,
  },
];

export interface Retention {
  /** How long finished jobs are kept. */
  days: number;
  /** Most finished jobs that are kept. */
  count: number;
}

/**
 * Clears away what is past its time: finished jobs, results, idempotent answers, cached values, and what the queue no longer needs of
 * dead workers, idle tenants, rates and schedules. In slices, each a short transaction, so that claims get in between.
 * Answers how many rows of each went.
 */
export function maintenanceHandler({ db }: { db: Database }, retention: Retention): JobHandler<object> {
  return {
    payload: z.strictObject({}),
    concurrency: 1,
    resultTtlMs: RESULT_TTL_MS,
    async run(_payload, context) {
      const chores = await choresFor(db, retention);
      const cleared: Record<string, number> = {};
      for (const [index, { name, statements }] of chores.entries()) {
        context.progress(name, index, chores.length);
        cleared[name] = await clear(context, statements);
      }
      return cleared;
    },
  };
}

interface Chore {
  name: string;
  /** One slice. Each statement that deletes answers what it deleted; the last one what is counted. */
  statements: Statement[];
}

async function choresFor(db: Database, retention: Retention): Promise<Chore[]> {
  const maxAgeMs = retention.days * DAY_MS;
  const surplus = await selectFirstSurplus(db, retention.count);
  return [
    { name: 'results', statements: expireResults() },
    { name: 'jobs_by_age', statements: pruneByAge(maxAgeMs) },
    { name: 'jobs_by_count', statements: surplus === null ? [] : pruneUpTo(surplus) },
    { name: 'idempotent_answers', statements: [pruneIdempotentAnswers()] },
    { name: 'schedule_fires', statements: [pruneScheduleFires(maxAgeMs)] },
    { name: 'cache', statements: [deleteExpiredEntries()] },
    { name: 'tenants', statements: [pruneLanes()] },
    { name: 'rates', statements: [pruneRates()] },
    { name: 'workers', statements: [deleteDeadWorkers()] },
  ];
}

/** Slice after slice until one is not full. */
async function clear(context: JobContext, statements: readonly Statement[]): Promise<number> {
  if (statements.length === 0) return 0;
  let count = 0;
  for (;;) {
    const gone = await context.write(statements);
    count += gone.at(-1)!.length;
    if (!gone.some((rows) => rows.length === SLICE || rows.length === LOG_SLICE)) return count;
  }
}
