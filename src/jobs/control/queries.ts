import { type Database, requireThat } from '../../db/database.ts';
import { literal, now, type Statement, sql } from '../../db/sql.ts';
import { type JobAudience, mayWatch } from '../watch/queries.ts';

/** Rows one statement of these touches, so that no transaction grows long. */
const SLICE = 1_000;

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
        wait = NULL, timeline = timeline || ',[' || ${now} || ',"cancel_asked",null]',
        status = CASE WHEN status = 'pending' THEN 'cancelled' ELSE status END
      WHERE ${mine} AND status IN ('pending', 'processing')`,
  ];
}

/** What makes a finished job pending again, its attempts counted anew, behind its key or rate if it has one. */
const REVIVED = sql`status = 'pending', run_at = ${now}, attempts = 0, crashes = 0, cancel_at = NULL, finished_at = NULL,
  error = NULL, updated_at = ${now}, timeline = timeline || ',[' || ${now} || ',"retry_asked",null]',
  wait = CASE WHEN open_children > 0 THEN 'children' WHEN limit_key IS NOT NULL THEN 'key'
    WHEN rate_key IS NOT NULL THEN 'rate' END`;

const KEY_IS_FREE = sql`(unique_key IS NULL OR NOT EXISTS (SELECT 1 FROM jobs live
  WHERE live.unique_key = jobs.unique_key AND live.status IN ('pending', 'processing')))`;

/**
 * A failed or cancelled job runs again from where its stored stages end; unless another one has taken up its unique key.
 */
export function retryJob(jobId: string, audience: JobAudience): Statement[] {
  const mine = sql`job_id = ${jobId} AND (${mayWatch(audience)})`;
  return [
    requireThat(sql`EXISTS (SELECT 1 FROM jobs WHERE ${mine})`, 'not_found'),
    requireThat(
      sql`EXISTS (SELECT 1 FROM jobs WHERE ${mine} AND status IN ('failed', 'cancelled') AND ${KEY_IS_FREE})`,
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

/** Failed jobs run again, the oldest first, a slice per call: answers how many were taken. */
export function redriveJobs(filter: DeadLetterFilter): Statement {
  // Of two that share a unique key only one may live: the other stays where it is.
  return sql`UPDATE OR IGNORE jobs SET ${REVIVED} WHERE seq IN (
      SELECT seq FROM jobs INDEXED BY jobs_done WHERE finished_at IS NOT NULL AND finished_at >= ${filter.failedAfter ?? 0}
        AND status = 'failed' AND (${filter.queue} IS NULL OR queue = ${filter.queue})
        AND (${filter.jobType} IS NULL OR job_type = ${filter.jobType})
        AND (${filter.code} IS NULL OR error ->> 'code' = ${filter.code}) AND ${KEY_IS_FREE}
      ORDER BY finished_at LIMIT ${literal(SLICE)})
    RETURNING seq`;
}

/** `jobType` '*': the whole queue. */
export function pauseJobs(queue: string, jobType: string): Statement {
  return sql`INSERT INTO job_pauses (queue, job_type, paused_at) VALUES (${queue}, ${jobType}, ${now})
    ON CONFLICT DO NOTHING`;
}

/** The queue row changes too, so that sleeping workers notice. */
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
  }>(sql`
    WITH live AS (
      SELECT queue, job_type, 1 AS pending, 0 AS processing FROM jobs INDEXED BY jobs_ready
        WHERE status = 'pending' AND wait IS NULL AND crashes = 0
      UNION ALL SELECT queue, job_type, 1, 0 FROM jobs INDEXED BY jobs_suspect
        WHERE status = 'pending' AND wait IS NULL AND crashes > 0
      UNION ALL SELECT queue, job_type, 1, 0 FROM jobs INDEXED BY jobs_timer WHERE status = 'pending' AND wait = 'time'
      UNION ALL SELECT queue, job_type, 1, 0 FROM jobs INDEXED BY jobs_rated WHERE status = 'pending' AND wait = 'rate'
      UNION ALL SELECT queue, job_type, 1, 0 FROM jobs INDEXED BY jobs_limited
        WHERE limit_key IS NOT NULL AND status IN ('pending', 'processing') AND wait = 'key'
      UNION ALL SELECT queue, job_type, 0, 1 FROM jobs INDEXED BY jobs_held WHERE status = 'processing'),
    counted AS (SELECT queue, job_type, sum(pending) AS pending, sum(processing) AS processing FROM live GROUP BY 1, 2
      UNION ALL SELECT queue, job_type, 0, 0 FROM job_paces),
    lines AS (SELECT queue, job_type, sum(pending) AS pending, sum(processing) AS processing FROM counted GROUP BY 1, 2)
    SELECT l.*, p.wait_ms, p.run_ms,
      EXISTS (SELECT 1 FROM job_pauses x WHERE x.queue = l.queue AND x.job_type IN ('*', l.job_type)) AS paused
    FROM lines l LEFT JOIN job_paces p ON p.queue = l.queue AND p.job_type = l.job_type ORDER BY 1, 2`);
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

/** The oldest finished jobs past the age, a slice per call; answers how many went. */
export function pruneByAge(maxAgeMs: number): Statement {
  return sql`DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs INDEXED BY jobs_done
      WHERE finished_at IS NOT NULL AND finished_at < ${now} - ${maxAgeMs} ORDER BY finished_at LIMIT ${literal(SLICE)})
    RETURNING seq`;
}

/** The oldest finished jobs past the count, a slice per call. The offset walks an index of instants, not the rows. */
export function pruneByCount(maxFinished: number): Statement {
  return sql`DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs INDEXED BY jobs_done
      WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT ${literal(SLICE)} OFFSET ${maxFinished})
    RETURNING seq`;
}

export function expireResults(): Statement[] {
  return [
    sql`DELETE FROM job_blobs WHERE kind = 'result' AND seq IN (SELECT seq FROM jobs INDEXED BY jobs_expiring_results
      WHERE result_expires_at IS NOT NULL AND result_expires_at <= ${now} LIMIT ${literal(SLICE)})`,
    sql`UPDATE jobs SET result = NULL, result_expires_at = NULL WHERE seq IN (SELECT seq FROM jobs
      INDEXED BY jobs_expiring_results WHERE result_expires_at IS NOT NULL AND result_expires_at <= ${now}
      LIMIT ${literal(SLICE)})`,
  ];
}

/** Tenants whose last turn is behind the queue's: a new job of theirs would start from the queue's turn anyway. */
export function pruneLanes(): Statement {
  return sql`DELETE FROM job_lanes WHERE weight = 1
    AND last_vt <= (SELECT vt FROM job_queues q WHERE q.queue = job_lanes.queue)`;
}
