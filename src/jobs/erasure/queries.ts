import { literal, now, type Statement, sql } from '../../db/sql.ts';

/** Rows one statement of these touches, so that no transaction grows long. */
const SLICE = 500;
const LOG_SLICE = 5_000;

/** Everything a user has asked for ends: what waits at once, what runs with the next beat of its worker. */
export function cancelJobsOf(userId: string): Statement {
  return sql`UPDATE jobs SET cancel_at = coalesce(cancel_at, ${now}), updated_at = ${now}, wait = NULL,
      finished_at = CASE WHEN status = 'pending' THEN ${now} END,
      status = CASE WHEN status = 'pending' THEN 'cancelled' ELSE status END
    WHERE owner_id = ${userId} AND status IN ('pending', 'processing')`;
}

/**
 * A user's jobs with their payloads, results and logs, a slice per call: each statement answers what went, and when none
 * answers anything there is nothing left. A job that still runs has no row any more, and so writes nothing.
 */
export function deleteJobsOf(userId: string): Statement[] {
  const mine = sql`SELECT seq FROM jobs j WHERE j.owner_id = ${userId}`;
  return [
    sql`DELETE FROM job_logs WHERE (seq, n) IN (SELECT l.seq, l.n FROM (${mine}) s CROSS JOIN job_logs l ON l.seq = s.seq
      LIMIT ${literal(LOG_SLICE)}) RETURNING 1 AS gone`,
    sql`DELETE FROM jobs WHERE seq IN (${mine} AND NOT EXISTS (SELECT 1 FROM job_logs l WHERE l.seq = j.seq)
      LIMIT ${literal(SLICE)}) RETURNING 1 AS gone`,
  ];
}

/** Jobs of nobody that start by this rate, and the rate. */
export function deleteRate(rateKey: string): Statement[] {
  return [
    sql`DELETE FROM jobs WHERE rate_key = ${rateKey}`,
    sql`DELETE FROM job_rates WHERE rate_key = ${rateKey} AND NOT EXISTS (SELECT 1 FROM jobs WHERE rate_key = ${rateKey})`,
  ];
}

/** A tenant's turns in the queues; answers what went. */
export function deleteLanesOf(tenant: string): Statement {
  return sql`DELETE FROM job_lanes WHERE tenant = ${tenant} RETURNING 1 AS gone`;
}

/** First answers to repeated requests of a caller, a slice per call; answers what went. */
export function deleteIdempotentAnswersOf(caller: string): Statement {
  return sql`DELETE FROM idempotency_keys WHERE (caller, idempotency_key) IN (SELECT caller, idempotency_key
    FROM idempotency_keys WHERE caller = ${caller} LIMIT ${literal(SLICE)}) RETURNING 1 AS gone`;
}
