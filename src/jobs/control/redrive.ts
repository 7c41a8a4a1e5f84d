import { z } from 'zod';
import { databaseNow } from '../../db/clock.ts';
import type { Database, Row, Statement } from '../../db/database.ts';
import { type Enqueued, type EnqueueRequest, enqueueJob } from '../enqueue.ts';
import type { JobHandler } from '../handler.ts';
import { type DeadLetter, type DeadLetterFilter, deadLetters, reviveJobs } from './queries.ts';

export const REDRIVE = 'redrive';

const RedrivePayload = z.strictObject({
  queue: z.string().nullable(),
  job_type: z.string().nullable(),
  code: z.string().nullable(),
  failed_after: z.number().int().nullable(),
});

/** The job that runs failed jobs again: there may be any number of them, so it is none of a request's work. */
export function enqueueRedrive(
  filter: DeadLetterFilter,
  origin: Pick<EnqueueRequest, 'onBehalfOf' | 'trace'>,
): Enqueued {
  const { queue, jobType, code, failedAfter } = filter;
  const payload: z.infer<typeof RedrivePayload> = { queue, job_type: jobType, code, failed_after: failedAfter };
  return enqueueJob({ jobType: REDRIVE, payload, ...origin });
}

/** Its result says how many jobs run again. */
export function redriveHandler({ db }: { db: Database }): JobHandler<z.infer<typeof RedrivePayload>> {
  return {
    payload: RedrivePayload,
    concurrency: 1,
    async run({ queue, job_type, code, failed_after }, { write }) {
      return { redriven: await redrive(db, { queue, jobType: job_type, code, failedAfter: failed_after }, write) };
    },
  };
}

/**
 * Runs the failed jobs that fit the filter again, the oldest first, and answers how many. Jobs that fail while it is at
 * work are left alone, so it ends although what it revives may fail at once. A job whose unique key another one has taken
 * up stays failed. Many short transactions, so part of it stays done when it throws; calling it again does the rest.
 */
export async function redrive(
  db: Database,
  filter: DeadLetterFilter,
  write: (statements: readonly Statement[]) => Promise<Row[][]>,
): Promise<number> {
  const until = await databaseNow(db);
  let after: DeadLetter = { seq: 0, failedAt: Number.MIN_SAFE_INTEGER };
  let count = 0;
  for (;;) {
    const slice = await db.query(deadLetters(filter, after, until), { offThread: true });
    const last = slice.at(-1);
    if (last === undefined) return count;
    const [revived] = await write([reviveJobs(slice.map(({ seq }) => seq))]);
    count += revived!.length;
    after = last;
  }
}
