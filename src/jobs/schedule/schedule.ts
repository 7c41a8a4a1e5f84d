import { databaseNow } from '../../db/clock.ts';
import type { Database, Statement } from '../../db/database.ts';
import { AppError, hasCode } from '../../errors/app-error.ts';
import { enqueueJob } from '../enqueue.ts';
import {
  type DueSchedule,
  deleteSchedule,
  insertFire,
  requireNextAt,
  type Schedule,
  selectDueSchedules,
  selectSchedules,
  selectUntilNextSlot,
  updateNextAt,
  upsertScheduleRow,
} from './queries.ts';
import { readCron } from './slots.ts';

/** What was due this long ago is late, as a slot noticed between two looks is; what was due before has been missed. */
const LATE_MS = 60_000;
/** A schedule of every second has so many slots that are merely late. */
const MAX_LATE_SLOTS = LATE_MS / 1_000 + 1;
const MAX_CATCH_UP = 100;

export type NewSchedule = Pick<Schedule, 'scheduleId' | 'jobType' | 'payload' | 'cron'> &
  Partial<Pick<Schedule, 'queue' | 'timeZone' | 'maxCatchUp' | 'uniqueKey'>>;

/** A slot for which this call has added a job. */
export interface Fire {
  scheduleId: string;
  slot: number;
}

export interface FiringReport {
  fired: Fire[];
  /** Schedules whose slots could not be fired now. They stay due. */
  failed: { scheduleId: string; error: unknown }[];
  /** Milliseconds until the next slot; null when there is no schedule. */
  untilNextMs: number | null;
}

/**
 * Adds a schedule or changes the one with this id; saying the same again changes nothing. Defaults: queue `default`, UTC,
 * one missed slot made up for, no unique key. Throws `validation_failed` with a sentence on what is wrong.
 */
export async function upsertSchedule(db: Database, schedule: NewSchedule): Promise<void> {
  const { queue = 'default', timeZone = 'UTC', maxCatchUp = 1, uniqueKey = null } = schedule;
  if (!Number.isInteger(maxCatchUp) || maxCatchUp < 0 || maxCatchUp > MAX_CATCH_UP) {
    throw new AppError('validation_failed', `maxCatchUp must be a whole number from 0 to ${MAX_CATCH_UP}`);
  }
  const cron = schedule.cron.trim();
  const nextAt = readCron(cron, timeZone).next(await databaseNow(db));
  await db.batch([upsertScheduleRow({ ...schedule, cron, queue, timeZone, maxCatchUp, uniqueKey, nextAt })]);
}

/** Removes a schedule; its jobs stay. Does nothing when there is none. */
export async function removeSchedule(db: Database, scheduleId: string): Promise<void> {
  await db.batch([deleteSchedule(scheduleId)]);
}

/** By id. */
export function listSchedules(db: Database): Promise<Schedule[]> {
  return selectSchedules(db);
}

/**
 * Adds the jobs of every slot that has come. Any number of processes may do so at a time: each slot adds one job. Of slots
 * missed in an outage, the latest `maxCatchUp` are made up for.
 */
export async function fireDueSchedules(db: Database): Promise<FiringReport> {
  const fired: Fire[] = [];
  const failed: FiringReport['failed'] = [];
  for (const schedule of await selectDueSchedules(db)) {
    try {
      const slots = await fire(db, schedule);
      fired.push(...slots.map((slot) => ({ scheduleId: schedule.scheduleId, slot })));
    } catch (error) {
      failed.push({ scheduleId: schedule.scheduleId, error });
    }
  }
  return { fired, failed, untilNextMs: await selectUntilNextSlot(db) };
}

/** All or nothing: the slots, their jobs and the next slot. */
async function fire(db: Database, schedule: DueSchedule): Promise<number[]> {
  const cron = readCron(schedule.cron, schedule.timeZone);
  const slots = slotsToFire(schedule, cron.between(schedule.nextAt, schedule.now, MAX_CATCH_UP + MAX_LATE_SLOTS));
  const next = updateNextAt(schedule.scheduleId, cron.next(schedule.now));
  try {
    await db.batch([requireNextAt(schedule), ...slots.flatMap((slot) => fireSlot(schedule, slot)), next]);
    return slots;
  } catch (error) {
    if (hasCode(error, 'conflict')) return [];
    throw error;
  }
}

function slotsToFire(schedule: DueSchedule, due: readonly number[]): number[] {
  // A clock that was set back, or times that were changed, would give a slot again.
  const open = due.filter((slot) => slot > (schedule.lastSlot ?? Number.NEGATIVE_INFINITY));
  const missed = open.filter((slot) => slot < schedule.now - LATE_MS);
  return open.slice(Math.max(0, missed.length - schedule.maxCatchUp));
}

function fireSlot(schedule: DueSchedule, slot: number): Statement[] {
  const job = enqueueJob({
    jobType: schedule.jobType,
    queue: schedule.queue,
    payload: schedule.payload,
    onBehalfOf: { ownerId: null, via: 'system', levelCap: 4, groupId: null },
    ...(schedule.uniqueKey !== null && { uniqueKey: schedule.uniqueKey }),
  });
  return [...job.statements, insertFire(schedule, slot, job.jobId)];
}
