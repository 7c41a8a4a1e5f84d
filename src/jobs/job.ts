import type { ErrorCode } from '../errors/codes.ts';

type JobStatus = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled';

/** Why a pending job does not run at this moment. */
export type PendingReason =
  | 'in_line'
  | 'scheduled'
  | 'waiting_for_key'
  | 'waiting_for_rate'
  | 'waiting_for_children'
  | 'paused'
  | 'no_worker';

export interface JobProgress {
  stage: string;
  done: number;
  total: number;
}

/** Why a job ended badly, or why its last attempt did. */
export interface JobError {
  code: ErrorCode;
  message: string;
  retryable: boolean;
}

/** A change of state. `detail` names the worker, the error code or what asked for it, depending on the event. */
export interface TimelineEvent {
  at: number;
  event: string;
  detail: string | null;
}

/** A job as its owner sees it. Instants are milliseconds by the database's clock. */
export interface Job {
  jobId: string;
  jobType: string;
  queue: string;
  status: JobStatus;
  /** Null unless pending. */
  reason: PendingReason | null;
  priority: number;
  progress: JobProgress | null;
  result: Record<string, unknown> | null;
  error: JobError | null;
  attempts: number;
  maxAttempts: number;
  parentId: string | null;
  openChildren: number;
  runAt: number;
  trace: string | null;
  createdAt: number;
  updatedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
}

/** Where a job stands that is in line or waits for its key. */
export interface PlaceInLine {
  /** 1: next. Counted up to a thousand. */
  place: number;
  /** How long jobs of this type have been waiting of late, in milliseconds; null when none has run. */
  recentWaitMs: number | null;
}

/** A claimed job as its worker holds it. `seq` and `fence` together name this one claim. */
export interface ClaimedJob {
  seq: number;
  fence: number;
  jobId: string;
  jobType: string;
  queue: string;
  /** Undefined while it lies in a side row; the runner reads it before the handler runs. */
  payload: unknown;
  attempt: number;
  maxAttempts: number;
  crashes: number;
  ownerId: string | null;
  via: 'session' | 'api_key' | 'guest' | 'system';
  levelCap: 1 | 2 | 3 | 4;
  groupId: string | null;
  /** The API key that caused it. */
  keyId: string | null;
  trace: string | null;
  priority: number;
  vt: number;
  /** Milliseconds from when it could have run to the claim. */
  waitedMs: number;
}

/** What became of a claimed job; written by `settleJobs` together with the next claim. */
export type Outcome =
  | { kind: 'completed'; result: unknown; resultTtlMs?: number }
  | { kind: 'failed'; error: JobError }
  | { kind: 'retry'; error: JobError; delayMs: number }
  /** Not its fault (shutdown, snooze): the attempt is given back. */
  | { kind: 'released'; delayMs: number }
  /** Its process died under it. */
  | { kind: 'crashed'; error: JobError }
  /** It goes on when its children have ended. The attempt is given back. */
  | { kind: 'parked' }
  | { kind: 'cancelled' };

/** A claim that has ended, one way or another. */
export interface Settlement {
  job: Pick<ClaimedJob, 'seq' | 'fence'>;
  outcome: Outcome;
}
