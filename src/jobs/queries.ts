import { type Database, requireThat } from '../db/database.ts';
import { joinSql, literal, now, type Row, type Sql, type Statement, sql } from '../db/sql.ts';
import type { ClaimedJob, Job, Outcome } from './job.ts';

const MAX_CRASHES = 3;
/** Delay before a job whose worker died runs again; it doubles with each crash, so a poison job does not kill a fleet. */
const RESCUE_DELAY_MS = 1_000;
/** Rows one maintenance statement touches, so that no transaction grows long. */
const MAINTENANCE_BATCH = 500;

export interface NewJob {
  jobId: string;
  jobType: string;
  payload: unknown;
  ownerId: string | null;
  via: ClaimedJob['via'];
  levelCap: number;
  trace: string | null;
  pollTokenHash: string | null;
  priority: number;
  maxAttempts: number;
  delayMs: number;
  uniqueKey: string | null;
}

export function insertJob(job: NewJob): Statement {
  return sql`INSERT INTO jobs (job_id, job_type, payload, owner_id, via, level_cap, trace, poll_token_hash, priority,
      max_attempts, unique_key, wait, run_at, created_at, updated_at)
    VALUES (${job.jobId}, ${job.jobType}, ${JSON.stringify(job.payload)}, ${job.ownerId}, ${job.via}, ${job.levelCap},
      ${job.trace}, ${job.pollTokenHash}, ${job.priority}, ${job.maxAttempts}, ${job.uniqueKey},
      ${job.delayMs > 0 ? 'time' : null}, ${now} + ${job.delayMs}, ${now}, ${now})
    ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL AND status IN ('pending', 'processing') DO NOTHING`;
}

export function insertWorker(worker: { workerId: string; host: string; pid: number; leaseMs: number }): Statement {
  return sql`INSERT INTO workers (worker_id, host, pid, started_at, lease_until)
    VALUES (${worker.workerId}, ${worker.host}, ${worker.pid}, ${now}, ${now} + ${worker.leaseMs})`;
}

/** No row comes back when the lease has run out: then others may already hold this worker's jobs. */
export function extendLease(workerId: string, leaseMs: number): Statement<{ lease_until: number }> {
  return sql`UPDATE workers SET lease_until = ${now} + ${leaseMs}
    WHERE worker_id = ${workerId} AND lease_until >= ${now} RETURNING lease_until`;
}

export function selectCancelRequests(workerId: string): Statement<{ seq: number; fence: number }> {
  return sql`SELECT seq, fence FROM jobs INDEXED BY jobs_held
    WHERE status = 'processing' AND worker_id = ${workerId} AND cancel_at IS NOT NULL`;
}

export function deleteWorker(workerId: string): Statement {
  return sql`DELETE FROM workers WHERE worker_id = ${workerId}`;
}

/** Dead workers' rows are kept while any job names them, so that rescue can tell a dead worker from a foreign one. */
export function deleteDeadWorkers(): Statement {
  return sql`DELETE FROM workers WHERE lease_until < ${now} - 3600000
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE status = 'processing' AND jobs.worker_id = workers.worker_id)`;
}

/**
 * Takes up to `limit` runnable jobs for a worker whose lease is valid at this instant. Raising the fence here is what makes
 * every later write of an earlier holder miss.
 */
export function claimJobs(workerId: string, limit: number): Statement {
  return sql`UPDATE jobs SET status = 'processing', fence = fence + 1, attempts = attempts + 1, worker_id = ${workerId},
      started_at = coalesce(started_at, ${now}), updated_at = ${now}
    WHERE seq IN (
      SELECT seq FROM jobs INDEXED BY jobs_ready WHERE status = 'pending' AND wait IS NULL
        AND EXISTS (SELECT 1 FROM workers WHERE worker_id = ${workerId} AND lease_until >= ${now})
      ORDER BY priority, seq LIMIT ${literal(limit)})
    RETURNING seq, fence, job_id, job_type, payload, attempts, max_attempts, owner_id, via, level_cap, trace, priority`;
}

/** Jobs whose time has come become runnable. */
export function promoteDueJobs(): Statement {
  return sql`UPDATE jobs SET wait = NULL, updated_at = ${now} WHERE seq IN (
    SELECT seq FROM jobs INDEXED BY jobs_timer WHERE status = 'pending' AND wait = 'time' AND run_at <= ${now}
    ORDER BY run_at LIMIT ${literal(MAINTENANCE_BATCH)})`;
}

/**
 * Takes jobs from workers whose lease has run out. The lease is judged here, under the write lock: a worker that is merely
 * slow extends it or loses it, but never both. A job that keeps killing its worker ends as failed.
 */
export function rescueJobs(): Statement {
  const poisoned = sql`(crashes + 1 >= ${literal(MAX_CRASHES)} OR attempts >= max_attempts)`;
  return sql`UPDATE jobs SET crashes = crashes + 1, worker_id = NULL, updated_at = ${now},
      ${backToPending(sql`'time'`, poisoned)},
      run_at = ${now} + ${literal(RESCUE_DELAY_MS)} * (1 << crashes),
      error = CASE WHEN cancel_at IS NULL THEN json_object('code', 'worker_lost',
        'message', 'The worker that ran the job is gone',
        'retryable', json(CASE WHEN ${poisoned} THEN 'false' ELSE 'true' END)) END
    WHERE seq IN (
      SELECT j.seq FROM jobs j INDEXED BY jobs_held LEFT JOIN workers w ON w.worker_id = j.worker_id
      WHERE j.status = 'processing' AND j.worker_id IS NOT NULL AND (w.worker_id IS NULL OR w.lease_until < ${now})
      LIMIT ${literal(MAINTENANCE_BATCH)})
    RETURNING seq, job_id, status`;
}

/** Gives back what this worker is said to hold but does not: the answer of the claim was lost on the way. */
export function releaseUnheld(workerId: string, heldSeqs: readonly number[]): Statement {
  return sql`UPDATE jobs SET ${backToPending(sql`NULL`)}, worker_id = NULL, attempts = attempts - 1, updated_at = ${now}
    WHERE status = 'processing' AND worker_id = ${workerId}
      AND seq NOT IN (SELECT value FROM json_each(${JSON.stringify(heldSeqs)}))`;
}

/** A job that was to be cancelled ends here: no other worker would be told so before it runs the job. */
function backToPending(wait: Sql, isExhausted: Sql = sql`0`): Sql {
  return sql`status = CASE WHEN cancel_at IS NOT NULL THEN 'cancelled' WHEN ${isExhausted} THEN 'failed' ELSE 'pending' END,
      wait = CASE WHEN cancel_at IS NOT NULL OR ${isExhausted} THEN NULL ELSE ${wait} END,
      finished_at = CASE WHEN cancel_at IS NOT NULL OR ${isExhausted} THEN ${now} END`;
}

function held(job: Pick<ClaimedJob, 'seq' | 'fence'>): Sql {
  return sql`seq = ${job.seq} AND fence = ${job.fence} AND status = 'processing'`;
}

/** Ends or gives back a claim. Touches nothing when the claim is no longer the job's last. */
export function settleJob(job: Pick<ClaimedJob, 'seq' | 'fence'>, outcome: Outcome): Statement {
  switch (outcome.kind) {
    case 'completed':
      return sql`UPDATE jobs SET status = 'completed', result = ${JSON.stringify(outcome.result ?? null)}, error = NULL,
        worker_id = NULL, finished_at = ${now}, updated_at = ${now} WHERE ${held(job)} RETURNING seq`;
    case 'failed':
      return sql`UPDATE jobs SET status = 'failed', error = ${JSON.stringify(outcome.error)},
        worker_id = NULL, finished_at = ${now}, updated_at = ${now} WHERE ${held(job)} RETURNING seq`;
    case 'cancelled':
      return sql`UPDATE jobs SET status = 'cancelled', worker_id = NULL, finished_at = ${now}, updated_at = ${now}
        WHERE ${held(job)} RETURNING seq`;
    case 'retry':
      return sql`UPDATE jobs SET ${backToPending(sql`'time'`, sql`attempts >= max_attempts`)},
        run_at = ${now} + ${Math.round(outcome.delayMs)}, error = ${JSON.stringify(outcome.error)},
        worker_id = NULL, updated_at = ${now} WHERE ${held(job)} RETURNING seq`;
    case 'released':
      return sql`UPDATE jobs SET ${backToPending(outcome.delayMs > 0 ? sql`'time'` : sql`NULL`)},
        run_at = ${now} + ${Math.round(outcome.delayMs)}, attempts = attempts - 1,
        worker_id = NULL, updated_at = ${now} WHERE ${held(job)} RETURNING seq`;
  }
}

export function updateProgress(job: Pick<ClaimedJob, 'seq' | 'fence'>, progress: Job['progress']): Statement {
  return sql`UPDATE jobs SET progress = ${JSON.stringify(progress)}, updated_at = ${now} WHERE ${held(job)}`;
}

/** In front of a handler's writes: aborts them when the claim is no longer the job's last. */
export function requireClaim(job: Pick<ClaimedJob, 'seq' | 'fence'>): Statement {
  return requireThat(sql`EXISTS (SELECT 1 FROM jobs WHERE ${held(job)})`, 'lease_lost');
}

/** Whether a worker that asks now would find something, without taking the write lock. */
export async function hasRunnableJob(db: Database): Promise<boolean> {
  const rows = await db.query(sql`SELECT 1 AS found WHERE
    EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_ready WHERE status = 'pending' AND wait IS NULL)
    OR EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_timer WHERE status = 'pending' AND wait = 'time' AND run_at <= ${now})
    OR EXISTS (SELECT 1 FROM jobs j INDEXED BY jobs_held LEFT JOIN workers w ON w.worker_id = j.worker_id
      WHERE j.status = 'processing' AND j.worker_id IS NOT NULL AND (w.worker_id IS NULL OR w.lease_until < ${now}))`);
  return rows.length > 0;
}

/** Whose jobs a caller may see. */
export interface JobAudience {
  /** Everybody's, for those who administer the system. */
  all: boolean;
  ownerId: string | null;
  /** SHA-256 of the token that a guest was given. */
  pollTokenHash: string | null;
}

function mayWatch(audience: JobAudience): Sql {
  if (audience.all) return sql`1`;
  const { ownerId, pollTokenHash } = audience;
  // Left out where they cannot hold: with an OR, a list would not use the owner's index.
  const ways = [
    ...(ownerId === null ? [] : [sql`owner_id = ${ownerId}`]),
    ...(pollTokenHash === null ? [] : [sql`poll_token_hash = ${pollTokenHash}`]),
  ];
  return ways.length === 0 ? sql`0` : joinSql(ways, ' OR ');
}

const JOB_COLUMNS = sql`seq, job_id, job_type, status, progress, result, error, attempts, max_attempts, run_at, trace,
  created_at, updated_at, started_at, finished_at`;

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

/** A waiting job ends at once; a running one is told with the next beat of its worker. */
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
        status = CASE WHEN status = 'pending' THEN 'cancelled' ELSE status END
      WHERE ${mine} AND status IN ('pending', 'processing')`,
  ];
}

/**
 * A failed or cancelled job runs again from where its stored stages end, with its attempts counted anew; unless another one
 * has taken up its unique key.
 */
export function retryJob(jobId: string, audience: JobAudience): Statement[] {
  const mine = sql`job_id = ${jobId} AND (${mayWatch(audience)})`;
  return [
    requireThat(sql`EXISTS (SELECT 1 FROM jobs WHERE ${mine})`, 'not_found'),
    requireThat(
      sql`EXISTS (SELECT 1 FROM jobs WHERE ${mine} AND status IN ('failed', 'cancelled'))`,
      'job_state_conflict',
    ),
    requireThat(
      sql`NOT EXISTS (SELECT 1 FROM jobs old JOIN jobs live ON live.unique_key = old.unique_key
        WHERE old.job_id = ${jobId} AND live.status IN ('pending', 'processing'))`,
      'job_state_conflict',
    ),
    sql`UPDATE jobs SET status = 'pending', wait = NULL, run_at = ${now}, attempts = 0, crashes = 0, cancel_at = NULL,
        finished_at = NULL, error = NULL, updated_at = ${now}
      WHERE ${mine} AND status IN ('failed', 'cancelled')`,
  ];
}

export interface IdempotentAnswer {
  requestHash: string;
  answer: Record<string, unknown>;
}

export async function selectIdempotentAnswer(
  db: Database,
  caller: string,
  key: string,
): Promise<IdempotentAnswer | null> {
  const rows = await db.query(sql`SELECT request_hash, answer FROM idempotency_keys
    WHERE caller = ${caller} AND idempotency_key = ${key} AND expires_at > ${now}`);
  const row = rows[0];
  return row === undefined
    ? null
    : { requestHash: row.request_hash as string, answer: JSON.parse(row.answer as string) };
}

const IDEMPOTENCY_MS = 24 * 3_600_000;

/** Fails its batch with a unique constraint when the key is in use, so that of two equal requests one does the work. */
export function insertIdempotentAnswer(entry: {
  caller: string;
  key: string;
  requestHash: string;
  answer: unknown;
}): Statement[] {
  return [
    sql`DELETE FROM idempotency_keys WHERE expires_at <= ${now}`,
    sql`INSERT INTO idempotency_keys (caller, idempotency_key, request_hash, answer, expires_at)
      VALUES (${entry.caller}, ${entry.key}, ${entry.requestHash}, ${JSON.stringify(entry.answer)}, ${now} + ${IDEMPOTENCY_MS})`,
  ];
}

export function toClaimedJob(row: Row): ClaimedJob & { priority: number } {
  return {
    seq: row.seq as number,
    fence: row.fence as number,
    jobId: row.job_id as string,
    jobType: row.job_type as string,
    payload: JSON.parse(row.payload as string),
    attempt: row.attempts as number,
    maxAttempts: row.max_attempts as number,
    ownerId: row.owner_id as string | null,
    via: row.via as ClaimedJob['via'],
    levelCap: row.level_cap as ClaimedJob['levelCap'],
    trace: row.trace as string | null,
    priority: row.priority as number,
  };
}

function toJob(row: Row): Job {
  const json = (value: unknown) => (typeof value === 'string' ? JSON.parse(value) : null);
  return {
    jobId: row.job_id as string,
    jobType: row.job_type as string,
    status: row.status as Job['status'],
    progress: json(row.progress),
    result: json(row.result),
    error: json(row.error),
    attempts: row.attempts as number,
    maxAttempts: row.max_attempts as number,
    runAt: row.run_at as number,
    trace: row.trace as string | null,
    createdAt: row.created_at as number,
    updatedAt: row.updated_at as number,
    startedAt: row.started_at as number | null,
    finishedAt: row.finished_at as number | null,
  };
}
