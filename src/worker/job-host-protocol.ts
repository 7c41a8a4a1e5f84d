import type { ErrorCode } from '../errors/codes.ts';
import type { ClaimedJob, Outcome } from '../jobs/index.ts';
import type { Relayed } from '../telemetry/relayed-metrics.ts';

/** What a worker tells the process of its jobs: one job at a time, and at most one abort while it runs. */
export type HostRequest = { kind: 'run'; job: ClaimedJob } | { kind: 'abort'; code: ErrorCode; detail: string };

/** What that process answers: `ready` once; then, for each job, that it has begun and what became of it. */
export type HostReply =
  | { kind: 'ready' }
  | { kind: 'began' }
  /** What was measured since it said so last. */
  | { kind: 'measured'; relayed: Relayed[] }
  /** Given up: the handler ignores its signal and still runs, so the process is of no more use. */
  | { kind: 'ended'; outcome: Outcome; isGivenUp: boolean };
