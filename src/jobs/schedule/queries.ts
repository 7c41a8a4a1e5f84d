import { type Database, requireThat } from '../../db/database.ts';
import { literal, now, type Row, type Statement, sql } from '../../db/sql.ts';

/** When a type of job is added by itself. */
export interface Schedule {
  scheduleId: string;
  jobType: string;
  queue: string;
  payload: Record<string, unknown>;
  /** Five fields, or six with seconds in front. */
  cron: string;
  /** IANA name. */
  timeZone: string;
  /** How many of the latest missed slots are made up for after an outage; the rest is skipped. */
  maxCatchUp: number;
  /** Of its jobs: while one is waiting or running, a slot adds none. */
  uniqueKey: string | null;
  /** The next slot, in milliseconds by the database's clock. */
  nextAt: number;
}

/** A schedule whose next slot has come. */
export interface DueSchedule extends Schedule {
  /** The latest slot that has fired. */
  lastSlot: number | null;
  /** The database's clock when it was read. */
  now: number;
}

/** Schedules read at a time; what is left over is due at once in the next look. */
const SCHEDULES_PER_LOOK = 100;

const COLUMNS = sql`schedule_id, job_type, queue, payload, cron, time_zone, max_catch_up, unique_key, next_at`;

/** One that is already there keeps its next slot unless its times have changed, so that a restart skips nothing. */
export function upsertScheduleRow(schedule: Schedule): Statement {
  return sql`INSERT INTO job_schedules (schedule_id, job_type, queue, payload, cron, time_zone, max_catch_up, unique_key,
      next_at, created_at)
    VALUES (${schedule.scheduleId}, ${schedule.jobType}, ${schedule.queue}, ${JSON.stringify(schedule.payload)},
      ${schedule.cron}, ${schedule.timeZone}, ${schedule.maxCatchUp}, ${schedule.uniqueKey}, ${schedule.nextAt}, ${now})
    ON CONFLICT DO UPDATE SET job_type = excluded.job_type, queue = excluded.queue, payload = excluded.payload,
      cron = excluded.cron, time_zone = excluded.time_zone, max_catch_up = excluded.max_catch_up,
      unique_key = excluded.unique_key,
      next_at = CASE WHEN cron = excluded.cron AND time_zone = excluded.time_zone THEN next_at ELSE excluded.next_at END`;
}

export function deleteSchedule(scheduleId: string): Statement {
  return sql`DELETE FROM job_schedules WHERE schedule_id = ${scheduleId}`;
}

export async function selectSchedules(db: Database): Promise<Schedule[]> {
  const rows = await db.query(sql`SELECT ${COLUMNS} FROM job_schedules ORDER BY schedule_id`);
  return rows.map(toSchedule);
}

export async function selectDueSchedules(db: Database): Promise<DueSchedule[]> {
  const rows = await db.query(sql`SELECT ${COLUMNS}, ${now} AS now,
      (SELECT max(slot) FROM job_schedule_fires f WHERE f.schedule_id = job_schedules.schedule_id) AS last_slot
    FROM job_schedules WHERE next_at <= ${now} ORDER BY next_at LIMIT ${literal(SCHEDULES_PER_LOOK)}`);
  return rows.map((row) => ({
    ...toSchedule(row),
    lastSlot: row.last_slot as number | null,
    now: row.now as number,
  }));
}

/** Milliseconds until the next slot of any schedule, 0 when one is due; null when there is none. */
export async function selectUntilNextSlot(db: Database): Promise<number | null> {
  const rows = await db.query<{ until: number | null }>(
    sql`SELECT max(0, min(next_at) - ${now}) AS until FROM job_schedules`,
  );
  return rows[0]!.until;
}

/** In front of what a slot writes: aborts it when another process has fired the slot since. Throws `conflict`. */
export function requireNextAt(schedule: Schedule): Statement {
  return requireThat(
    sql`EXISTS (SELECT 1 FROM job_schedules WHERE schedule_id = ${schedule.scheduleId} AND next_at = ${schedule.nextAt})`,
    'conflict',
  );
}

/** Behind the job's own statements: names the job that stands for the slot, which is an earlier one if that still lives. */
export function insertFire(schedule: Schedule, slot: number, jobId: string): Statement {
  return sql`INSERT INTO job_schedule_fires (schedule_id, slot, job_id) VALUES (${schedule.scheduleId}, ${slot},
    coalesce((SELECT job_id FROM jobs INDEXED BY jobs_unique WHERE unique_key = ${schedule.uniqueKey}
      AND unique_key IS NOT NULL AND status IN ('pending', 'processing')), ${jobId}))`;
}

export function updateNextAt(scheduleId: string, nextAt: number): Statement {
  return sql`UPDATE job_schedules SET next_at = ${nextAt} WHERE schedule_id = ${scheduleId}`;
}

function toSchedule(row: Row): Schedule {
  return {
    scheduleId: row.schedule_id as string,
    jobType: row.job_type as string,
    queue: row.queue as string,
    payload: JSON.parse(row.payload as string),
    cron: row.cron as string,
    timeZone: row.time_zone as string,
    maxCatchUp: row.max_catch_up as number,
    uniqueKey: row.unique_key as string | null,
    nextAt: row.next_at as number,
  };
}
