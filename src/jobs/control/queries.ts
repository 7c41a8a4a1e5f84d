import { type Database, requireThat } from '../../db/database.ts';
import { literal, now, type Sql, type Statement, sql } from '../../db/sql.ts';
import { type JobAudience, mayWatch } from '../watch/queries.ts';

/** Rows one statement of these touches, so that no transaction grows long. */
export const SLICE = 1_000;
/** A job may have a thousand lines for each attempt. */
export const LOG_SLICE = 10_000;

/** A waiting job ends at once, and with it its children; a running one is told with the next beat of its worker. */
export function cancelJob(jobId: string, audience: JobAudience): Statement[] {
  const mine = sql`job_id = ${jobId} AND (${mayWatch(audience)})`;
  return [
    requireThat(sql`EXISTS (SELECT 1 FROM jobs WHERE ${mine})`, 'not_found'),
    requireThat(
      sql`EXISTS (SELECT 1 FROM jobs WHERE ${mine} AND status IN ('pending', 'processing'))`,
      'job_state_conflict',
    ),
    sql`UPDATE jobs SET cancel_at = coalesce(cancel_at, ${now}), updated_at = ${now},
        finished_at = CASE WHEN status = 'pending' THEN ${now} END,
        wait = NULL,
        timeline = timeline || CASE WHEN cancel_at IS NULL THEN ',[' || ${now} || ',"cancel_asked",null]' ELSE '' END,
        status = CASE WHEN status = 'pending' THEN 'cancelled' ELSE status END
      WHERE ${mine} AND status IN ('pending', 'processing')`,
  ];
}

/** What makes a finished job pending again, its attempts counted anew, behind its key or rate if it has one. */
const REVIVED = sql`status = 'pending', run_at = ${now}, attempts = 0, crashes = 0, cancel_at = NULL, finished_at = NULL,
  error = NULL, updated_at = ${now}, timeline = timeline || ',[' || ${now} || ',"retry_asked",null]',
  wait = CASE WHEN open_children > 0 THEN 'children' WHEN limit_key IS NOT NULL THEN 'key'
    WHEN rate_key IS NOT NULL THEN 'rate' END`;

/** About a hundred runs. Each change of state writes the row again, so that a job retried for ever would get ever slower. */
const MAX_TIMELINE_CHARS = 32_768;

/** Of a failed or cancelled job: it may run again. */
const MAY_REVIVE = sql`length(timeline) < ${literal(MAX_TIMELINE_CHARS)} AND (unique_key IS NULL OR NOT EXISTS (SELECT 1 FROM jobs live
  WHERE live.unique_key = jobs.unique_key AND live.status IN ('pending', 'processing')))`;

/**
 * A failed or cancelled job runs again from where its stored stages end; unless another one has taken up its unique key, or
 * it has been run again about a hundred times.
 */
export function retryJob(jobId: string, audience: JobAudience): Statement[] {
  const mine = sql`job_id = ${jobId} AND (${mayWatch(audience)})`;
  return [
    requireThat(sql`EXISTS (SELECT 1 FROM jobs WHERE ${mine})`, 'not_found'),
    requireThat(
      sql`EXISTS (SELECT 1 FROM jobs WHERE ${mine} AND status IN ('failed', 'cancelled') AND ${MAY_REVIVE})`,
      'job_state_conflict',
    ),
    sql`UPDATE jobs SET ${REVIVED} WHERE ${mine} AND status IN ('failed', 'cancelled')`,
  ];
}

export interface DeadLetterFilter {
  queue: string | null;
  jobType: string | null;
  /** Code of the error they failed with. */
  code: string | null;
  /** Milliseconds by the database's clock. */
  failedAfter: number | null;
}

/** Where a walk over the dead letters, oldest first, has come to. */
export interface DeadLetter {
  seq: number;
  failedAt: number;
}

/** Failed jobs, the oldest first, a slice per call: those after `after` that had failed by `until`. */
export function deadLetters(filter: DeadLetterFilter, after: DeadLetter, until: number): Statement<DeadLetter> {
  return sql`SELECT seq, finished_at AS failedAt FROM jobs INDEXED BY jobs_dead
    WHERE status = 'failed' AND (finished_at, seq) > (${after.failedAt}, ${after.seq})
      AND finished_at BETWEEN ${filter.failedAfter ?? 0} AND ${until}
      AND (${filter.queue} IS NULL OR queue = ${filter.queue})
      AND (${filter.jobType} IS NULL OR job_type = ${filter.jobType})
      AND (${filter.code} IS NULL OR error ->> 'code' = ${filter.code})
    ORDER BY finished_at, seq LIMIT ${literal(SLICE)}`;
}

/** Those of the jobs that are still failed run again. Of two that share a unique key only one may live: the other stays. */
export function reviveJobs(seqs: readonly number[]): Statement {
  return sql`UPDATE OR IGNORE jobs SET ${REVIVED} WHERE seq IN (SELECT value FROM json_each(${JSON.stringify(seqs)}))
      AND status = 'failed' AND ${MAY_REVIVE} RETURNING seq`;
}

/** Stands for all types of jobs of a queue. */
export const WHOLE_QUEUE = '*';

/** Running jobs go on. `jobType` may be `WHOLE_QUEUE`. */
export function pauseJobs(queue: string, jobType: string): Statement {
  return sql`INSERT INTO job_pauses (queue, job_type, paused_at) VALUES (${queue}, ${jobType}, ${now})
    ON CONFLICT DO NOTHING`;
}

/**
 * Ends the pause of the queue, or of the type in it: either is lifted by itself, and a type runs when neither is left.
 * The commit wakes workers on the same host; others find the jobs with their next look.
 */
export function resumeJobs(queue: string, jobType: string): Statement {
  return sql`DELETE FROM job_pauses WHERE queue = ${queue} AND job_type = ${jobType}`;
}

export interface QueueState {
  queue: string;
  jobType: string;
  pending: number;
  processing: number;
  paused: boolean;
  recentWaitMs: number | null;
  recentRunMs: number | null;
}

/** Live jobs by queue and type, from the live indexes alone. */
export async function selectQueues(db: Database): Promise<QueueState[]> {
  const rows = await db.query<{
    queue: string;
    job_type: string;
    pending: number;
    processing: number;
    paused: number;
    wait_ms: number | null;
    run_ms: number | null;
  }>(
    sql`
    WITH live AS (
      SELECT queue, job_type, 1 AS pending, 0 AS processing FROM jobs INDEXED BY jobs_ready
        WHERE status = 'pending' AND wait IS NULL AND crashes = 0
      UNION ALL SELECT queue, job_type, 1, 0 FROM jobs INDEXED BY jobs_suspect
        WHERE status = 'pending' AND (wait IS NULL OR wait = 'rate') AND crashes > 0
      UNION ALL SELECT queue, job_type, 1, 0 FROM jobs INDEXED BY jobs_timer WHERE status = 'pending' AND wait = 'time'
      UNION ALL SELECT queue, job_type, 1, 0 FROM jobs INDEXED BY jobs_rated
        WHERE status = 'pending' AND wait = 'rate' AND crashes = 0
      UNION ALL SELECT queue, job_type, 1, 0 FROM jobs INDEXED BY jobs_limited
        WHERE limit_key IS NOT NULL AND status IN ('pending', 'processing') AND wait = 'key'
      UNION ALL SELECT queue, job_type, 1, 0 FROM jobs INDEXED BY jobs_parked
        WHERE status = 'pending' AND wait = 'children'
      UNION ALL SELECT queue, job_type, 0, 1 FROM jobs INDEXED BY jobs_held WHERE status = 'processing'),
    counted AS (SELECT queue, job_type, sum(pending) AS pending, sum(processing) AS processing FROM live GROUP BY 1, 2
      UNION ALL SELECT queue, job_type, 0, 0 FROM job_paces
      UNION ALL SELECT queue, job_type, 0, 0 FROM job_pauses WHERE job_type <> ${WHOLE_QUEUE}),
    lines AS (SELECT queue, job_type, sum(pending) AS pending, sum(processing) AS processing FROM counted GROUP BY 1, 2)
    SELECT l.*, p.wait_ms, p.run_ms,
      EXISTS (SELECT 1 FROM job_pauses x WHERE x.queue = l.queue AND x.job_type IN ('*', l.job_type)) AS paused
    FROM lines l LEFT JOIN job_paces p ON p.queue = l.queue AND p.job_type = l.job_type ORDER BY 1, 2`,
    // Every live job is counted.
    { offThread: true },
  );
  return rows.map((row) => ({
    queue: row.queue,
    jobType: row.job_type,
    pending: row.pending,
    processing: row.processing,
    paused: row.paused === 1,
    recentWaitMs: row.wait_ms,
    recentRunMs: row.run_ms,
  }));
}

/** Every queue there is, whether or not it has jobs, and whether all of it is paused. */
export async function selectQueueNames(db: Database): Promise<{ queue: string; paused: boolean }[]> {
  const rows = await db.query<{ queue: string; paused: number }>(sql`
    SELECT queue, EXISTS (SELECT 1 FROM job_pauses p WHERE p.queue = q.queue AND p.job_type = ${WHOLE_QUEUE}) AS paused
    FROM (SELECT queue FROM job_queues UNION SELECT queue FROM job_pauses) q ORDER BY queue`);
  return rows.map(({ queue, paused }) => ({ queue, paused: paused === 1 }));
}

/** Where the finished jobs that are too many begin: the newest of them. Null when there are not too many. */
export async function selectFirstSurplus(db: Database, maxFinished: number): Promise<DoneJob | null> {
  // An index of instants is walked, not the rows; yet of a million of them.
  const rows = await db.query<DoneJob>(
    sql`SELECT seq, finished_at AS finishedAt FROM jobs INDEXED BY jobs_done WHERE finished_at IS NOT NULL
      ORDER BY finished_at DESC, seq DESC LIMIT 1 OFFSET ${maxFinished}`,
    { offThread: true },
  );
  return rows[0] ?? null;
}

export interface DoneJob {
  seq: number;
  finishedAt: number;
}

/** The oldest finished jobs past the age, a slice per call; the last statement answers those that went. */
export function pruneByAge(maxAgeMs: number): Statement[] {
  return pruneJobs(sql`finished_at < ${now} - ${maxAgeMs}`);
}

/** The finished jobs up to this one, a slice per call; the last statement answers those that went. */
export function pruneUpTo(job: DoneJob): Statement[] {
  return pruneJobs(sql`(finished_at, seq) <= (${job.finishedAt}, ${job.seq})`);
}

/**
 * A job with a long log goes in several calls. A child stays as long as its parent lives, which may still ask what became
 * of it.
 */
function pruneJobs(isOld: Sql): Statement[] {
  const slice = sql`SELECT seq FROM jobs INDEXED BY jobs_done WHERE finished_at IS NOT NULL AND ${isOld}
    AND NOT EXISTS (SELECT 1 FROM jobs p WHERE p.job_id = jobs.parent_id AND p.finished_at IS NULL)
    ORDER BY finished_at LIMIT ${literal(SLICE)}`;
  return [
    sql`DELETE FROM job_logs WHERE (seq, n) IN (SELECT l.seq, l.n FROM (${slice}) s CROSS JOIN job_logs l ON l.seq = s.seq
      LIMIT ${literal(LOG_SLICE)}) RETURNING 1 AS gone`,
    sql`DELETE FROM jobs WHERE seq IN (${slice}) AND NOT EXISTS (SELECT 1 FROM job_logs l WHERE l.seq = jobs.seq)
      RETURNING seq`,
  ];
}

/** Results past their time, a slice per call; the last statement answers those that went. */
export function expireResults(): Statement[] {
  const slice = sql`SELECT seq FROM jobs INDEXED BY jobs_expiring_results
    WHERE result_expires_at IS NOT NULL AND result_expires_at <= ${now} LIMIT ${literal(SLICE)}`;
  return [
    sql`DELETE FROM job_blobs WHERE kind = 'result' AND seq IN (${slice})`,
    // One that has come due since the statement above still has its large body: it goes with the next call.
    sql`UPDATE jobs SET result = NULL, result_expires_at = NULL WHERE seq IN (${slice})
      AND NOT EXISTS (SELECT 1 FROM job_blobs b WHERE b.seq = jobs.seq AND b.kind = 'result') RETURNING seq`,
  ];
}

/** Tenants whose last turn is behind the queue's: a new job of theirs would start from the queue's turn anyway. */
export function pruneLanes(): Statement {
  return sql`DELETE FROM job_lanes WHERE (queue, tenant) IN (SELECT l.queue, l.tenant FROM job_lanes l
      JOIN job_queues q ON q.queue = l.queue WHERE l.weight = 1 AND max(l.last_vt, l.again_vt) <= q.vt LIMIT ${literal(SLICE)})
    RETURNING tenant`;
}

/** Rates that no job has any more and that would let one start at once: a new row of theirs would say the same. */
export function pruneRates(): Statement {
  return sql`DELETE FROM job_rates WHERE rate_key IN (SELECT rate_key FROM job_rates r WHERE due_at <= ${now}
      AND NOT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_by_rate WHERE jobs.rate_key = r.rate_key)
      LIMIT ${literal(SLICE)})
    RETURNING rate_key`;
}

/** What schedules have fired longer ago than this; but each one's latest slot, since it is not to fire again. */
export function pruneScheduleFires(maxAgeMs: number): Statement {
  return sql`DELETE FROM job_schedule_fires WHERE (schedule_id, slot) IN (SELECT f.schedule_id, f.slot
      FROM job_schedules s CROSS JOIN job_schedule_fires f ON f.schedule_id = s.schedule_id
      WHERE f.slot < min(${now} - ${maxAgeMs},
        (SELECT max(slot) FROM job_schedule_fires l WHERE l.schedule_id = s.schedule_id))
      LIMIT ${literal(SLICE)})
    RETURNING slot`;
}
