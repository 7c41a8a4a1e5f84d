import { type Database, requireThat } from '../db/database.ts';
import { joinSql, literal, now, type Row, type Sql, type Statement, sql } from '../db/sql.ts';
import type { ClaimedJob, JobProgress, Outcome, Settlement } from './job.ts';

const MAX_CRASHES = 3;
/** Delay before a job whose worker died runs again; it doubles with each crash, so a poison job does not kill a fleet. */
const RESCUE_DELAY_MS = 1_000;
/** Rows one maintenance statement touches, so that no transaction grows long. */
const MAINTENANCE_BATCH = 500;
/** Longer JSON lies in a side row: an UPDATE writes the whole row again (research: no gain below 1 KB, 4 x at 100 KB). */
const MAX_INLINE_CHARS = 2_048;
/** A job that is snoozed for ever would grow for ever; its end is always recorded. */
const MAX_TIMELINE_CHARS = 8_192;
/** What one job moves its tenant's tag on, divided by the tenant's weight. The trigger jobs_turn_again has it as well. */
const FAIR_STEP = 1_000;

export interface NewJob {
  jobId: string;
  jobType: string;
  queue: string;
  tenant: string;
  payload: unknown;
  ownerId: string | null;
  via: ClaimedJob['via'];
  levelCap: number;
  groupId: string | null;
  keyId: string | null;
  trace: string | null;
  pollTokenHash: string | null;
  priority: number;
  maxAttempts: number;
  delayMs: number;
  uniqueKey: string | null;
  limit: { key: string; max: number } | null;
  rate: { key: string; intervalMs: number; burst: number } | null;
  parentId: string | null;
}

/**
 * The job, its tenant's turn in the queue, and its rate where it has one. Does nothing while its unique key is in use, or
 * when the network brings the request a second time.
 */
export function insertJob(job: NewJob): Statement[] {
  const payload = JSON.stringify(job.payload);
  const isLarge = payload.length > MAX_INLINE_CHARS;
  const isForLater = job.delayMs > 0;
  const wait = isForLater ? 'time' : job.limit !== null ? 'key' : job.rate !== null ? 'rate' : null;
  return [
    ...(job.queue === 'default'
      ? []
      : [sql`INSERT INTO job_queues (queue) VALUES (${job.queue}) ON CONFLICT DO NOTHING`]),
    ...(isForLater ? [] : [takeTurn(job)]),
    ...(job.rate === null ? [] : [upsertRate(job.rate)]),
    sql`INSERT INTO jobs (job_id, job_type, queue, tenant, payload, owner_id, via, level_cap, group_id, key_id, trace, poll_token_hash,
        priority, max_attempts, unique_key, limit_key, limit_max, rate_key, parent_id, vt, wait, run_at, timeline, created_at, updated_at)
      VALUES (${job.jobId}, ${job.jobType}, ${job.queue}, ${job.tenant}, ${isLarge ? null : payload}, ${job.ownerId},
        ${job.via}, ${job.levelCap}, ${job.groupId}, ${job.keyId}, ${job.trace}, ${job.pollTokenHash}, ${job.priority}, ${job.maxAttempts},
        ${job.uniqueKey}, ${job.limit?.key ?? null}, ${job.limit?.max ?? null}, ${job.rate?.key ?? null}, ${job.parentId},
        ${isForLater ? 0 : sql`(SELECT last_vt FROM job_lanes WHERE queue = ${job.queue} AND tenant = ${job.tenant})`},
        ${wait}, ${now} + ${job.delayMs}, ${entry('enqueued', sql`NULL`)}, ${now}, ${now})
      ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL AND status IN ('pending', 'processing') DO NOTHING
      ON CONFLICT (job_id) DO NOTHING`,
    ...(isLarge ? [insertBlob(job.jobId, payload)] : []),
  ];
}

/** A job for later takes its turn when its time has come: the trigger jobs_turn_again sees to it. */
function takeTurn({ queue, tenant }: NewJob): Statement {
  return sql`INSERT INTO job_lanes (queue, tenant, last_vt)
    VALUES (${queue}, ${tenant}, (SELECT vt FROM job_queues WHERE queue = ${queue}) + ${literal(FAIR_STEP)})
    ON CONFLICT DO UPDATE SET last_vt = ${literal(FAIR_STEP)} / weight
      + max(last_vt, (SELECT vt FROM job_queues WHERE queue = ${queue}))`;
}

function upsertRate(rate: NonNullable<NewJob['rate']>): Statement {
  return sql`INSERT INTO job_rates (rate_key, interval_ms, burst) VALUES (${rate.key}, ${rate.intervalMs}, ${rate.burst})
    ON CONFLICT DO UPDATE SET interval_ms = excluded.interval_ms, burst = excluded.burst`;
}

function insertBlob(jobId: string, payload: string): Statement {
  return sql`INSERT INTO job_blobs (seq, kind, body) SELECT seq, 'payload', ${payload} FROM jobs WHERE job_id = ${jobId}
    ON CONFLICT DO NOTHING`;
}

/** A piece of a timeline: what happened at this instant. */
function entry(event: string, detail: Sql): Sql {
  return sql`',[' || ${now} || ${`,"${event}",`} || json_quote(${detail}) || ']'`;
}

function withEntry(event: string, detail: Sql = sql`NULL`, isLast = false): Sql {
  if (isLast) return sql`timeline = timeline || ${entry(event, detail)}`;
  return sql`timeline = CASE WHEN length(timeline) < ${literal(MAX_TIMELINE_CHARS)}
    THEN timeline || ${entry(event, detail)} ELSE timeline END`;
}

export interface WorkerRow {
  workerId: string;
  host: string;
  pid: number;
  /** Null: every queue. */
  queues: readonly string[] | null;
  jobTypes: readonly string[];
  leaseMs: number;
}

export function insertWorker(worker: WorkerRow): Statement {
  return sql`INSERT INTO workers (worker_id, host, pid, queues, job_types, started_at, lease_until)
    VALUES (${worker.workerId}, ${worker.host}, ${worker.pid},
      ${worker.queues === null ? null : JSON.stringify(worker.queues)}, ${JSON.stringify(worker.jobTypes)},
      ${now}, ${now} + ${worker.leaseMs})`;
}

/** No row comes back when the lease has run out: then others may already hold this worker's jobs. */
export function extendLease(workerId: string, leaseMs: number): Statement<{ lease_until: number }> {
  return sql`UPDATE workers SET lease_until = ${now} + ${leaseMs}
    WHERE worker_id = ${workerId} AND lease_until >= ${now} RETURNING lease_until`;
}

/** The jobs of this worker are free to be rescued. */
export function endLease(workerId: string): Statement {
  return sql`UPDATE workers SET lease_until = ${now} - 1 WHERE worker_id = ${workerId}`;
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
    AND NOT EXISTS (SELECT 1 FROM jobs WHERE status = 'processing' AND jobs.worker_id = workers.worker_id)
    RETURNING worker_id`;
}

/** Jobs of one type in one queue: what a worker can ask for. */
export interface Line {
  queue: string;
  jobType: string;
}

const CLAIMED_COLUMNS = sql`seq, fence, job_id, job_type, queue, payload, attempts, max_attempts, crashes, owner_id, via,
  level_cap, group_id, key_id, trace, priority, vt, ${now} - run_at AS waited_ms`;

/**
 * Takes up to `limit` runnable jobs of these lines for a worker whose lease is valid at this instant, best priority first,
 * then by the tenants' turns. `caps` bounds the jobs of a type. With `rated`, jobs whose rate lets them start now as well.
 * Raising the fence is what makes every later write of an earlier holder miss.
 */
export function claimJobs(
  workerId: string,
  lines: readonly Line[],
  limit: number,
  options: { caps?: ReadonlyMap<string, number>; rated?: boolean } = {},
): Statement {
  const { caps = new Map<string, number>(), rated = false } = options;
  const mostOf = (jobType: string) => Math.min(limit, caps.get(jobType) ?? limit);
  const served = lines.filter(({ jobType }) => mostOf(jobType) > 0);
  const sources = served.map((line) => readyInLine(line, mostOf(line.jobType)));
  if (rated) sources.push(ratedInLines(served));
  // A cap is kept by its line's own limit, unless the type may be found in other places too.
  const types = served.map(({ jobType }) => jobType).filter((jobType) => mostOf(jobType) < limit);
  const found =
    types.length > 0 && (rated || new Set(types).size < types.length) ? [withinCaps(sources, caps, limit)] : sources;
  return claimFrom(workerId, bestOf(found, sql`priority, vt, seq`, limit), rated);
}

/** One job that has crashed before, to be run apart from all others. */
export function claimSuspect(workerId: string, lines: readonly Line[]): Statement {
  const sources = lines.map(
    (line) => sql`SELECT * FROM (SELECT seq, priority FROM jobs j INDEXED BY jobs_suspect
      WHERE ${mayRunAlone} AND queue = ${line.queue} AND job_type = ${line.jobType}
        AND ${isNotPaused(line)} ORDER BY priority, seq LIMIT 1)`,
  );
  return claimFrom(workerId, bestOf(sources, sql`priority, seq`, 1), true);
}

/** A job `j` that has crashed before and has nothing to wait for but its rate, whose time has come. */
const mayRunAlone = sql`j.status = 'pending' AND (j.wait IS NULL OR j.wait = 'rate') AND j.crashes > 0
  AND (j.rate_key IS NULL OR EXISTS (SELECT 1 FROM job_rates r
    WHERE r.rate_key = j.rate_key AND r.due_at - (r.burst - 1) * r.interval_ms <= ${now}))`;

/** Of what these sources have found, no more of a type than its cap, the best of all of them first. */
function withinCaps(sources: readonly Sql[], caps: ReadonlyMap<string, number>, limit: number): Sql {
  const most = sql`coalesce(${JSON.stringify(Object.fromEntries(caps))} ->> job_type, n)`;
  return sql`SELECT seq, priority, vt FROM (
      SELECT *, row_number() OVER (PARTITION BY job_type ORDER BY priority, vt, seq) AS n
      FROM (${joinSql(sources, ' UNION ALL ')}))
    WHERE n <= ${most} ORDER BY priority, vt, seq LIMIT ${literal(limit)}`;
}

/** Each source is in order and within the limit already; of several, at most that many rows each are merged. */
function bestOf(sources: readonly Sql[], order: Sql, limit: number): Sql {
  if (sources.length === 1) return sources[0]!;
  return sql`SELECT * FROM (${joinSql(sources, ' UNION ALL ')}) ORDER BY ${order} LIMIT ${literal(limit)}`;
}

function claimFrom(workerId: string, seqs: Sql, rated = false): Statement {
  // Only a job that waits for its rate waits for anything, and the column is one that triggers watch.
  const noWait = rated ? sql`wait = NULL, ` : sql``;
  return sql`UPDATE jobs SET status = 'processing', ${noWait}fence = fence + 1, attempts = attempts + 1,
      worker_id = ${workerId}, started_at = coalesce(started_at, ${now}), updated_at = ${now},
      ${withEntry('claimed', sql`${workerId}`)}
    WHERE seq IN (SELECT seq FROM (${seqs}) WHERE EXISTS
      (SELECT 1 FROM workers WHERE worker_id = ${workerId} AND lease_until >= ${now}))
    RETURNING ${CLAIMED_COLUMNS}`;
}

function readyInLine(line: Line, limit: number): Sql {
  return sql`SELECT * FROM (SELECT seq, priority, vt, job_type FROM jobs INDEXED BY jobs_ready
    WHERE status = 'pending' AND wait IS NULL AND crashes = 0 AND queue = ${line.queue} AND job_type = ${line.jobType}
      AND ${isNotPaused(line)} ORDER BY priority, vt, seq LIMIT ${literal(limit)})`;
}

/**
 * Of each rate whose time has come the first in these lines: one per rate and cycle. Whoever stands in a line that is
 * paused or served by others holds nobody else of the rate up.
 */
function ratedInLines(lines: readonly Line[]): Sql {
  const heads = lines.map(
    (line) => sql`SELECT * FROM (SELECT seq, priority, vt FROM jobs INDEXED BY jobs_rated
      WHERE status = 'pending' AND wait = 'rate' AND crashes = 0 AND rate_key = r.rate_key AND queue = ${line.queue}
        AND job_type = ${line.jobType} AND ${isNotPaused(line)} ORDER BY priority, vt, seq LIMIT 1)`,
  );
  return sql`SELECT j.seq, j.priority, j.vt, j.job_type FROM job_rates r CROSS JOIN jobs j ON j.seq = (
      SELECT seq FROM (${joinSql(heads, ' UNION ALL ')}) ORDER BY priority, vt, seq LIMIT 1)
    WHERE r.due_at - (r.burst - 1) * r.interval_ms <= ${now}`;
}

function isNotPaused(line: Line): Sql {
  return sql`NOT EXISTS (SELECT 1 FROM job_pauses WHERE queue = ${line.queue} AND job_type IN ('*', ${line.jobType}))`;
}

/** After a claim: the queue's virtual time is the tag of the latest job that was taken. */
export function advanceTurns(workerId: string, queues: readonly string[]): Statement {
  return sql`UPDATE job_queues SET vt = max(vt, coalesce((SELECT max(vt) FROM jobs INDEXED BY jobs_held
      WHERE status = 'processing' AND worker_id = ${workerId} AND queue = job_queues.queue), 0))
    WHERE queue IN (SELECT value FROM json_each(${JSON.stringify(queues)}))`;
}

/** Jobs whose time has come stand in line, or wait for their key or rate. */
export function promoteDueJobs(): Statement {
  return sql`UPDATE jobs SET wait = ${nextWait}, updated_at = ${now} WHERE seq IN (
    SELECT seq FROM jobs INDEXED BY jobs_timer WHERE status = 'pending' AND wait = 'time' AND run_at <= ${now}
    ORDER BY run_at LIMIT ${literal(MAINTENANCE_BATCH)})`;
}

/** What a pending job with nothing else to wait for waits for. */
const nextWait = sql`CASE WHEN limit_key IS NOT NULL THEN 'key' WHEN rate_key IS NOT NULL THEN 'rate' END`;

/**
 * Takes jobs from workers whose lease has run out. The lease is judged here, under the write lock: a worker that is merely
 * slow extends it or loses it, but never both. A job that keeps killing its worker ends as failed.
 */
export function rescueJobs(): Statement {
  return sql`UPDATE jobs SET ${afterCrash('worker_lost', 'The worker that ran the job is gone')}
    WHERE seq IN (
      SELECT j.seq FROM jobs j INDEXED BY jobs_held LEFT JOIN workers w ON w.worker_id = j.worker_id
      WHERE j.status = 'processing' AND j.worker_id IS NOT NULL AND (w.worker_id IS NULL OR w.lease_until < ${now})
      LIMIT ${literal(MAINTENANCE_BATCH)})
    RETURNING seq, job_id, status`;
}

function afterCrash(code: string, message: string): Sql {
  const poisoned = sql`(crashes + 1 >= ${literal(MAX_CRASHES)} OR attempts >= max_attempts)`;
  return sql`crashes = crashes + 1, worker_id = NULL, updated_at = ${now}, ${backToPending(sql`'time'`, poisoned)},
    run_at = ${now} + ${literal(RESCUE_DELAY_MS)} * (1 << crashes), ${withEntry('crashed', sql`worker_id`, true)},
    error = CASE WHEN cancel_at IS NULL THEN json_object('code', ${code}, 'message', ${message},
      'retryable', json(CASE WHEN ${poisoned} THEN 'false' ELSE 'true' END)) END`;
}

/** The claims that this worker is said to hold. */
export function selectHeld(workerId: string): Statement<{ seq: number; fence: number }> {
  return sql`SELECT seq, fence FROM jobs INDEXED BY jobs_held WHERE status = 'processing' AND worker_id = ${workerId}`;
}

/**
 * Gives back claims whose answer was lost on the way, so that nobody holds them. They are named one by one: "all but these"
 * would take away what was claimed later, when the network brings the request late.
 */
export function releaseLost(claims: readonly Settlement['job'][]): Statement {
  const rows = claims.map(({ seq, fence }) => [seq, fence]);
  return sql`UPDATE jobs SET ${backToPending(nextWait)}, worker_id = NULL, attempts = attempts - 1, updated_at = ${now},
      ${withEntry('released', sql`'claim_lost'`)}
    FROM (SELECT value ->> 0 AS seq, value ->> 1 AS fence FROM json_each(${JSON.stringify(rows)})) v
    WHERE jobs.seq = v.seq AND jobs.fence = v.fence AND +jobs.status = 'processing'`;
}

/** A job that was to be cancelled ends here: no other worker would be told so before it runs the job. */
function backToPending(wait: Sql, isExhausted: Sql = sql`0`): Sql {
  return sql`status = CASE WHEN cancel_at IS NOT NULL THEN 'cancelled' WHEN ${isExhausted} THEN 'failed' ELSE 'pending' END,
      wait = CASE WHEN cancel_at IS NOT NULL OR ${isExhausted} THEN NULL ELSE ${wait} END,
      finished_at = CASE WHEN cancel_at IS NOT NULL OR ${isExhausted} THEN ${now} END`;
}

function held(job: Settlement['job']): Sql {
  return sql`seq = ${job.seq} AND fence = ${job.fence} AND status = 'processing'`;
}

/**
 * Ends or gives back claims. Each statement answers the `seq` of what it changed; a claim that is no longer its job's last
 * is in no answer. Completions, the bulk of all, are one statement.
 */
export function settleJobs(settlements: readonly Settlement[]): Statement[] {
  const completed = settlements.flatMap(({ job, outcome }) =>
    outcome.kind === 'completed' ? [{ job, outcome, json: JSON.stringify(outcome.result ?? null) }] : [],
  );
  const others = settlements.flatMap(({ job, outcome }) =>
    outcome.kind === 'completed' ? [] : [settle(job, outcome)],
  );
  if (completed.length === 0) return others;
  const large = completed.filter(({ json }) => json.length > MAX_INLINE_CHARS);
  return [completeJobs(completed), ...large.map(({ job, json }) => storeResult(job, json)), ...others];
}

function completeJobs(
  completed: readonly { job: Settlement['job']; outcome: Extract<Outcome, { kind: 'completed' }>; json: string }[],
): Statement {
  const rows = completed.map(({ job, outcome, json }) => [
    job.seq,
    job.fence,
    json.length > MAX_INLINE_CHARS ? null : json,
    outcome.resultTtlMs ?? null,
  ]);
  // The unary plus keeps jobs_held from being chosen, which would cost held x batch.
  return sql`UPDATE jobs SET status = 'completed', result = v.result, result_expires_at = ${now} + v.ttl, error = NULL,
      worker_id = NULL, finished_at = ${now}, updated_at = ${now}, ${withEntry('completed', sql`NULL`, true)}
    FROM (SELECT value ->> 0 AS seq, value ->> 1 AS fence, value ->> 2 AS result, value ->> 3 AS ttl
      FROM json_each(${JSON.stringify(rows)})) v
    WHERE jobs.seq = v.seq AND jobs.fence = v.fence AND +jobs.status = 'processing' RETURNING jobs.seq AS seq`;
}

/** Behind the completion: only the claim that completed the job may say with what. */
function storeResult(job: Settlement['job'], json: string): Statement {
  return sql`INSERT INTO job_blobs (seq, kind, body) SELECT seq, 'result', ${json} FROM jobs
    WHERE seq = ${job.seq} AND fence = ${job.fence} AND status = 'completed' ON CONFLICT DO NOTHING`;
}

function settle(job: Settlement['job'], outcome: Exclude<Outcome, { kind: 'completed' }>): Statement {
  switch (outcome.kind) {
    case 'failed':
      return sql`UPDATE jobs SET status = 'failed', error = ${JSON.stringify(outcome.error)}, worker_id = NULL,
        finished_at = ${now}, updated_at = ${now}, ${withEntry('failed', sql`${outcome.error.code}`, true)}
        WHERE ${held(job)} RETURNING seq`;
    case 'cancelled':
      return sql`UPDATE jobs SET status = 'cancelled', worker_id = NULL, finished_at = ${now}, updated_at = ${now},
        ${withEntry('cancelled', sql`NULL`, true)} WHERE ${held(job)} RETURNING seq`;
    case 'crashed':
      return sql`UPDATE jobs SET ${afterCrash(outcome.error.code, outcome.error.message)}
        WHERE ${held(job)} RETURNING seq`;
    case 'retry':
      return sql`UPDATE jobs SET ${backToPending(sql`'time'`, sql`attempts >= max_attempts`)},
        run_at = ${now} + ${Math.round(outcome.delayMs)}, error = ${JSON.stringify(outcome.error)},
        worker_id = NULL, updated_at = ${now}, ${withEntry('attempt_failed', sql`${outcome.error.code}`, true)}
        WHERE ${held(job)} RETURNING seq`;
    case 'released':
      return sql`UPDATE jobs SET ${backToPending(outcome.delayMs > 0 ? sql`'time'` : nextWait)},
        run_at = ${now} + ${Math.round(outcome.delayMs)}, attempts = attempts - 1,
        worker_id = NULL, updated_at = ${now}, ${withEntry('released')} WHERE ${held(job)} RETURNING seq`;
    case 'parked':
      return sql`UPDATE jobs SET ${backToPending(sql`CASE WHEN open_children > 0 THEN 'children' ELSE ${nextWait} END`)},
        attempts = attempts - 1, worker_id = NULL, updated_at = ${now}, ${withEntry('waits_for_children')}
        WHERE ${held(job)} RETURNING seq`;
  }
}

export function updateProgress(job: Settlement['job'], progress: JobProgress): Statement {
  return sql`UPDATE jobs SET progress = ${JSON.stringify(progress)}, updated_at = ${now} WHERE ${held(job)}`;
}

/**
 * For the writes of a child: how far all children have come, shown as the progress of the job that waits for them. `done`
 * is counted in the same transaction.
 */
export function reportToParent(childId: string, stage: string, done: Sql, total: number): Statement {
  return sql`UPDATE jobs SET progress = json_object('stage', ${stage}, 'done', ${done}, 'total', ${total}), updated_at = ${now}
    WHERE job_id = (SELECT parent_id FROM jobs WHERE job_id = ${childId}) AND finished_at IS NULL`;
}

/** In front of a handler's writes: aborts them when the claim is no longer the job's last. */
export function requireClaim(job: Settlement['job']): Statement {
  return requireThat(sql`EXISTS (SELECT 1 FROM jobs WHERE ${held(job)})`, 'lease_lost');
}

export async function selectPayload(db: Database, seq: number): Promise<unknown> {
  const rows = await db.query<{ body: string }>(
    sql`SELECT body FROM job_blobs WHERE seq = ${seq} AND kind = 'payload'`,
  );
  return rows[0] === undefined ? undefined : JSON.parse(rows[0].body);
}

/** What a worker would find if it asked now. */
export interface Runnable {
  /** Lines with jobs that may run. */
  lines: Line[];
  /** Some of them wait for a rate whose time has come. */
  rated: boolean;
  /** Lines with jobs that have crashed before. */
  suspects: Line[];
  /** Timers to be promoted or dead workers' jobs to be taken over: a cycle is due whatever the lines. */
  chores: boolean;
}

/** Looks without taking the write lock. `queues` null: every queue. */
export async function selectRunnable(
  db: Database,
  queues: readonly string[] | null,
  jobTypes: readonly string[],
): Promise<Runnable> {
  const rows = await db.query<{ queue: string; job_type: string; kind: string }>(sql`
    WITH lines AS (SELECT q.queue, t.value AS job_type FROM job_queues q CROSS JOIN json_each(${JSON.stringify(jobTypes)}) t
      WHERE ${queues === null ? sql`1` : sql`q.queue IN (SELECT value FROM json_each(${JSON.stringify(queues)}))`}
        AND NOT EXISTS (SELECT 1 FROM job_pauses p WHERE p.queue = q.queue AND p.job_type IN ('*', t.value)))
    SELECT queue, job_type, 'ready' AS kind FROM lines l WHERE EXISTS (SELECT 1 FROM jobs j INDEXED BY jobs_ready
      WHERE j.status = 'pending' AND j.wait IS NULL AND j.crashes = 0 AND j.queue = l.queue AND j.job_type = l.job_type)
    UNION ALL
    SELECT queue, job_type, 'suspect' FROM lines l WHERE EXISTS (SELECT 1 FROM jobs j INDEXED BY jobs_suspect
      WHERE ${mayRunAlone} AND j.queue = l.queue AND j.job_type = l.job_type)
    UNION ALL
    SELECT l.queue, l.job_type, 'rated' FROM job_rates r CROSS JOIN lines l
      WHERE EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_rated WHERE status = 'pending' AND wait = 'rate' AND crashes = 0)
        AND r.due_at - (r.burst - 1) * r.interval_ms <= ${now}
        AND EXISTS (SELECT 1 FROM jobs j INDEXED BY jobs_rated WHERE j.status = 'pending' AND j.wait = 'rate' AND j.crashes = 0
          AND j.rate_key = r.rate_key AND j.queue = l.queue AND j.job_type = l.job_type)
    UNION ALL
    SELECT '', '', 'chore' WHERE
      EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_timer WHERE status = 'pending' AND wait = 'time' AND run_at <= ${now})
      OR EXISTS (SELECT 1 FROM jobs j INDEXED BY jobs_held LEFT JOIN workers w ON w.worker_id = j.worker_id
        WHERE j.status = 'processing' AND j.worker_id IS NOT NULL AND (w.worker_id IS NULL OR w.lease_until < ${now}))`);
  const of = (...kinds: string[]) =>
    rows.filter(({ kind }) => kinds.includes(kind)).map(({ queue, job_type }) => ({ queue, jobType: job_type }));
  return {
    lines: of('ready', 'rated'),
    rated: rows.some(({ kind }) => kind === 'rated'),
    suspects: of('suspect'),
    chores: rows.some(({ kind }) => kind === 'chore'),
  };
}

/** What this worker has lately seen of a line, mixed into what is remembered of it. */
export function recordPace(line: Line, waitMs: number, runMs: number): Statement {
  return sql`INSERT INTO job_paces (queue, job_type, wait_ms, run_ms, updated_at)
    VALUES (${line.queue}, ${line.jobType}, ${waitMs}, ${runMs}, ${now})
    ON CONFLICT DO UPDATE SET wait_ms = 0.7 * wait_ms + 0.3 * excluded.wait_ms,
      run_ms = 0.7 * run_ms + 0.3 * excluded.run_ms, updated_at = ${now}`;
}

/** Lines carry their age, not an instant: those of a job are in order on whatever machine it ran. */
export function insertLogLines(
  job: Settlement['job'],
  lines: readonly { n: number; agoMs: number; level: string; message: string }[],
): Statement {
  const rows = lines.map((line) => [line.n, Math.round(line.agoMs), line.level, line.message]);
  return sql`INSERT INTO job_logs (seq, n, at, level, message)
    SELECT ${job.seq}, l.value ->> 0, ${now} - (l.value ->> 1), l.value ->> 2, l.value ->> 3 FROM json_each(${JSON.stringify(rows)}) l
    WHERE EXISTS (SELECT 1 FROM jobs WHERE seq = ${job.seq} AND fence = ${job.fence})
    ON CONFLICT DO NOTHING`;
}

export function toClaimedJob(row: Row): ClaimedJob {
  return {
    seq: row.seq as number,
    fence: row.fence as number,
    jobId: row.job_id as string,
    jobType: row.job_type as string,
    queue: row.queue as string,
    payload: row.payload === null ? undefined : JSON.parse(row.payload as string),
    attempt: row.attempts as number,
    maxAttempts: row.max_attempts as number,
    crashes: row.crashes as number,
    ownerId: row.owner_id as string | null,
    via: row.via as ClaimedJob['via'],
    levelCap: row.level_cap as ClaimedJob['levelCap'],
    groupId: row.group_id as string | null,
    keyId: row.key_id as string | null,
    trace: row.trace as string | null,
    priority: row.priority as number,
    vt: row.vt as number,
    waitedMs: Math.max(0, row.waited_ms as number),
  };
}
