import type { Database } from '../../db/database.ts';
import { joinSql, now, type Row, type Sql, type Statement, sql } from '../../db/sql.ts';
import type { Job, PendingReason, PlaceInLine, TimelineEvent } from '../job.ts';

/** Whose jobs a caller may see. */
export interface JobAudience {
  /** Everybody's, for those who administer the system. */
  all: boolean;
  ownerId: string | null;
  /** Of the owner's jobs those that an API key of this group has caused; absent or null: all of them. */
  groupId?: string | null;
  /** SHA-256 of the token that a guest was given. */
  pollTokenHash: string | null;
}

/** For rows of `jobs`. */
export function mayWatch(audience: JobAudience): Sql {
  if (audience.all) return sql`1`;
  const { ownerId, groupId = null, pollTokenHash } = audience;
  const ofGroup = groupId === null ? sql`` : sql` AND group_id = ${groupId}`;
  // Left out where they cannot hold: with an OR, a list would not use the owner's index.
  const ways = [
    ...(ownerId === null ? [] : [sql`owner_id = ${ownerId}${ofGroup}`]),
    ...(pollTokenHash === null ? [] : [sql`poll_token_hash = ${pollTokenHash}`]),
  ];
  return ways.length === 0 ? sql`0` : joinSql(ways, ' OR ');
}

/** Why a pending job is not running, from what is stored and from what there is to run it. */
const REASON = sql`CASE WHEN status <> 'pending' THEN NULL
  WHEN wait = 'time' THEN 'scheduled'
  WHEN wait = 'key' THEN 'waiting_for_key'
  WHEN wait = 'rate' THEN 'waiting_for_rate'
  WHEN wait = 'children' THEN 'waiting_for_children'
  WHEN EXISTS (SELECT 1 FROM job_pauses p WHERE p.queue = jobs.queue AND p.job_type IN ('*', jobs.job_type)) THEN 'paused'
  WHEN NOT EXISTS (SELECT 1 FROM workers w WHERE w.lease_until >= ${now}
    AND (w.queues IS NULL OR jobs.queue IN (SELECT value FROM json_each(w.queues)))
    AND jobs.job_type IN (SELECT value FROM json_each(w.job_types))) THEN 'no_worker'
  ELSE 'in_line' END`;

const JOB_COLUMNS = sql`seq, job_id, job_type, queue, status, ${REASON} AS reason, priority, progress, error, attempts,
  max_attempts, parent_id, open_children, run_at, trace, created_at, updated_at, started_at, finished_at,
  coalesce(result, (SELECT body FROM job_blobs b WHERE b.seq = jobs.seq AND b.kind = 'result')) AS result`;

export async function selectJob(db: Database, jobId: string, audience: JobAudience): Promise<Job | null> {
  const rows = await db.query(sql`SELECT ${JOB_COLUMNS} FROM jobs WHERE job_id = ${jobId} AND (${mayWatch(audience)})`);
  return rows[0] === undefined ? null : toJob(rows[0]);
}

export interface JobFilter {
  status: string | null;
  jobType: string | null;
  beforeSeq: number | null;
  limit: number;
}

/** Newest first. `seq` is what the next page starts below. */
export async function selectJobs(
  db: Database,
  audience: JobAudience,
  filter: JobFilter,
): Promise<{ seq: number; job: Job }[]> {
  const rows = await db.query(jobList(audience, filter));
  return rows.map((row) => ({ seq: row.seq as number, job: toJob(row) }));
}

export function jobList(audience: JobAudience, filter: JobFilter): Statement {
  const conditions = [sql`(${mayWatch(audience)})`];
  if (filter.status !== null) conditions.push(sql`status = ${filter.status}`);
  if (filter.jobType !== null) conditions.push(sql`job_type = ${filter.jobType}`);
  if (filter.beforeSeq !== null) conditions.push(sql`seq < ${filter.beforeSeq}`);
  return sql`SELECT ${JOB_COLUMNS} FROM jobs WHERE ${joinSql(conditions, ' AND ')}
    ORDER BY seq DESC LIMIT ${filter.limit}`;
}

/** What has happened to a job, oldest first; null where it is not to be seen. */
export async function selectTimeline(
  db: Database,
  jobId: string,
  audience: JobAudience,
): Promise<TimelineEvent[] | null> {
  const rows = await db.query<{ timeline: string }>(
    sql`SELECT timeline FROM jobs WHERE job_id = ${jobId} AND (${mayWatch(audience)})`,
  );
  if (rows[0] === undefined) return null;
  const events: [number, string, string | null][] = JSON.parse(`[${rows[0].timeline.slice(1)}]`);
  return events.map(([at, event, detail]) => ({ at, event, detail }));
}

const MAX_PLACE = 1_000;

/**
 * Where a runnable job stands among those of its type and queue, and one that waits for its key among those that wait for
 * it; null for any other.
 */
export async function selectPlace(db: Database, jobId: string, audience: JobAudience): Promise<PlaceInLine | null> {
  const rows = await db.query<{ ahead: number; wait_ms: number | null }>(sql`
    SELECT CASE WHEN wait IS NULL
        THEN (SELECT count(*) FROM (SELECT 1 FROM jobs a INDEXED BY jobs_ready
          WHERE a.status = 'pending' AND a.wait IS NULL AND a.crashes = 0 AND a.queue = jobs.queue
            AND a.job_type = jobs.job_type AND (a.priority, a.vt, a.seq) < (jobs.priority, jobs.vt, jobs.seq)
          LIMIT ${MAX_PLACE}))
        ELSE (SELECT count(*) FROM (SELECT 1 FROM jobs a INDEXED BY jobs_limited
          WHERE a.limit_key = jobs.limit_key AND a.wait = 'key' AND a.limit_key IS NOT NULL
            AND a.status IN ('pending', 'processing') AND (a.priority, a.vt, a.seq) < (jobs.priority, jobs.vt, jobs.seq)
          LIMIT ${MAX_PLACE})) END AS ahead,
      (SELECT wait_ms FROM job_paces p WHERE p.queue = jobs.queue AND p.job_type = jobs.job_type) AS wait_ms
    FROM jobs WHERE job_id = ${jobId} AND status = 'pending' AND (wait IS NULL OR wait = 'key')
      AND (${mayWatch(audience)})`);
  const row = rows[0];
  if (row === undefined) return null;
  return { place: row.ahead + 1, recentWaitMs: row.wait_ms === null ? null : Math.round(row.wait_ms) };
}

export interface JobLogLine {
  n: number;
  at: number;
  level: string;
  message: string;
}

/** Null where the job is not to be seen. */
export async function selectJobLog(
  db: Database,
  jobId: string,
  audience: JobAudience,
  page: { afterN: number; limit: number },
): Promise<JobLogLine[] | null> {
  const jobs = await db.query<{ seq: number }>(
    sql`SELECT seq FROM jobs WHERE job_id = ${jobId} AND (${mayWatch(audience)})`,
  );
  if (jobs[0] === undefined) return null;
  return db.query<JobLogLine>(sql`SELECT n, at, level, message FROM job_logs
    WHERE seq = ${jobs[0].seq} AND n > ${page.afterN} ORDER BY n LIMIT ${page.limit}`);
}

/** Children in the order they were added, for a parent that goes on. */
export async function selectChildren(db: Database, parentId: string): Promise<Job[]> {
  const rows = await db.query(sql`SELECT ${JOB_COLUMNS} FROM jobs INDEXED BY jobs_children
    WHERE parent_id = ${parentId} ORDER BY seq`);
  return rows.map(toJob);
}

function toJob(row: Row): Job {
  const json = (value: unknown) => (typeof value === 'string' ? JSON.parse(value) : null);
  return {
    jobId: row.job_id as string,
    jobType: row.job_type as string,
    queue: row.queue as string,
    status: row.status as Job['status'],
    reason: row.reason as PendingReason | null,
    priority: row.priority as number,
    progress: json(row.progress),
    result: json(row.result),
    error: json(row.error),
    attempts: row.attempts as number,
    maxAttempts: row.max_attempts as number,
    parentId: row.parent_id as string | null,
    openChildren: row.open_children as number,
    runAt: row.run_at as number,
    trace: row.trace as string | null,
    createdAt: row.created_at as number,
    updatedAt: row.updated_at as number,
    startedAt: row.started_at as number | null,
    finishedAt: row.finished_at as number | null,
  };
}
