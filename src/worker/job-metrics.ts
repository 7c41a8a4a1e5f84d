import type { ClaimedJob, Outcome, Settlement } from '../jobs/index.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { continueTrace } from '../telemetry/trace-context.ts';

/** A run that has ended, with all that is known of its job. */
export interface Ended extends Settlement {
  job: ClaimedJob;
}

export function noteClaimed(metrics: Metrics, { jobType, waitedMs }: ClaimedJob): void {
  metrics.count('anyrag_job_claims_total', { job_type: jobType });
  metrics.observe('anyrag_job_wait_seconds', { job_type: jobType }, Math.max(0, waitedMs) / 1_000);
}

export function noteRun(metrics: Metrics, { job, outcome }: Ended, ranMs: number): void {
  const trace = continueTrace(job.trace);
  const labels = { job_type: job.jobType, outcome: namedOutcome(job, outcome) };
  metrics.observe('anyrag_job_duration_seconds', labels, ranMs / 1_000, trace?.sampled ? trace.traceId : undefined);
}

/** `isStale`: another worker has taken the job over, so the outcome was dropped. */
export function noteSettled(metrics: Metrics, { job, outcome }: Ended, isStale: boolean): void {
  const job_type = { job_type: job.jobType };
  if (isStale) metrics.count('anyrag_job_stale_outcomes_total', job_type);
  else metrics.count('anyrag_job_outcomes_total', { ...job_type, outcome: namedOutcome(job, outcome) });
}

/** What the statement that stores it makes of it: after the last attempt there is no other. */
function namedOutcome(job: ClaimedJob, { kind }: Outcome): Outcome['kind'] {
  return kind === 'retry' && job.attempt >= job.maxAttempts ? 'failed' : kind;
}
