import type { Database } from '../../db/database.ts';
import { literal, now, sql } from '../../db/sql.ts';
import type { PendingReason } from '../job.ts';

/** Further jobs of a line or a reason are not counted, so that a backlog of any length costs the same. */
const MAX_COUNTED = 100_000;
/** The oldest is looked for among those whose turn is next: where turns are fair it is one of them. */
const MAX_LOOKED_AT = 1_000;

const READY = sql`status = 'pending' AND wait IS NULL AND crashes = 0`;

export interface QueueDepth {
  jobType: string;
  status: 'pending' | 'processing';
  /** Null unless pending. That no worker serves the type is not told here: such jobs are in line. */
  reason: Exclude<PendingReason, 'no_worker'> | null;
  jobs: number;
  /** Of those in line: since when the oldest could have run, in milliseconds. Null for others. */
  oldestMs: number | null;
}

/** Live jobs, by the indexes of live jobs alone: what is finished costs nothing. Counts end at 100,000. */
export async function selectDepths(db: Database): Promise<QueueDepth[]> {
  const rows = await db.query<{
    job_type: string;
    status: QueueDepth['status'];
    reason: QueueDepth['reason'];
    jobs: number;
    oldest_ms: number | null;
  }>(
    sql`WITH RECURSIVE
      lines (queue, job_type) AS (
        SELECT * FROM (SELECT queue, job_type FROM jobs INDEXED BY jobs_ready
          WHERE ${READY} ORDER BY queue, job_type LIMIT 1)
        UNION ALL SELECT j.queue, j.job_type FROM lines l CROSS JOIN jobs j ON j.seq = (
          SELECT seq FROM jobs INDEXED BY jobs_ready
          WHERE ${READY} AND (queue, job_type) > (l.queue, l.job_type) ORDER BY queue, job_type LIMIT 1)),
      ready AS (SELECT queue, job_type,
          (SELECT count(*) FROM (SELECT 1 FROM jobs j INDEXED BY jobs_ready
            WHERE ${READY} AND j.queue = l.queue AND j.job_type = l.job_type LIMIT ${literal(MAX_COUNTED)})) AS jobs,
          (SELECT ${now} - min(run_at) FROM (SELECT run_at FROM jobs j INDEXED BY jobs_ready
            WHERE ${READY} AND j.queue = l.queue AND j.job_type = l.job_type
            ORDER BY priority, vt, seq LIMIT ${literal(MAX_LOOKED_AT)})) AS oldest_ms
        FROM lines l),
      others AS (
        SELECT * FROM (SELECT job_type, 'pending' AS status, iif(wait = 'rate', 'waiting_for_rate', 'in_line') AS reason,
            iif(wait IS NULL, ${now} - run_at, NULL) AS oldest_ms FROM jobs INDEXED BY jobs_suspect
          WHERE status = 'pending' AND (wait IS NULL OR wait = 'rate') AND crashes > 0 LIMIT ${literal(MAX_COUNTED)})
        UNION ALL SELECT * FROM (SELECT job_type, 'pending', 'scheduled', NULL FROM jobs INDEXED BY jobs_timer
          WHERE status = 'pending' AND wait = 'time' LIMIT ${literal(MAX_COUNTED)})
        UNION ALL SELECT * FROM (SELECT job_type, 'pending', 'waiting_for_rate', NULL FROM jobs INDEXED BY jobs_rated
          WHERE status = 'pending' AND wait = 'rate' AND crashes = 0 LIMIT ${literal(MAX_COUNTED)})
        UNION ALL SELECT * FROM (SELECT job_type, 'pending', 'waiting_for_key', NULL FROM jobs INDEXED BY jobs_limited
          WHERE limit_key IS NOT NULL AND status IN ('pending', 'processing') AND wait = 'key'
          LIMIT ${literal(MAX_COUNTED)})
        UNION ALL SELECT * FROM (SELECT job_type, 'pending', 'waiting_for_children', NULL FROM jobs INDEXED BY jobs_parked
          WHERE status = 'pending' AND wait = 'children' LIMIT ${literal(MAX_COUNTED)})
        UNION ALL SELECT * FROM (SELECT job_type, 'processing', NULL, NULL FROM jobs INDEXED BY jobs_held
          WHERE status = 'processing' LIMIT ${literal(MAX_COUNTED)})),
      counted AS (
        SELECT job_type, status, reason, count(*) AS jobs, max(oldest_ms) AS oldest_ms FROM others GROUP BY 1, 2, 3
        UNION ALL SELECT job_type, 'pending', iif(is_paused, 'paused', 'in_line'), jobs, iif(is_paused, NULL, oldest_ms)
          FROM (SELECT *, EXISTS (SELECT 1 FROM job_pauses p
            WHERE p.queue = r.queue AND p.job_type IN ('*', r.job_type)) AS is_paused FROM ready r))
    SELECT job_type, status, reason, sum(jobs) AS jobs, max(oldest_ms) AS oldest_ms FROM counted GROUP BY 1, 2, 3`,
    { offThread: true },
  );
  return rows.map((row) => ({
    jobType: row.job_type,
    status: row.status,
    reason: row.reason,
    jobs: row.jobs,
    oldestMs: row.oldest_ms,
  }));
}

/** Workers whose lease is valid. */
export async function countWorkers(db: Database): Promise<number> {
  const rows = await db.query<{ n: number }>(sql`SELECT count(*) AS n FROM workers WHERE lease_until >= ${now}`);
  return rows[0]!.n;
}
