import type { ErrorCode } from '../errors/codes.ts';

export type JobStatus = 'pending' | 'processing' | 'completed' | 'failed' | 'cancelled';

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

/** A job as its owner sees it. Instants are milliseconds by the database's clock. */
export interface Job {
  jobId: string;
  jobType: string;
  status: JobStatus;
  progress: JobProgress | null;
  result: Record<string, unknown> | null;
  error: JobError | null;
  attempts: number;
  maxAttempts: number;
  runAt: number;
  trace: string | null;
  createdAt: number;
  updatedAt: number;
  startedAt: number | null;
  finishedAt: number | null;
}

/** A claimed job as its worker holds it. `seq` and `fence` together name this one claim. */
export interface ClaimedJob {
  seq: number;
  fence: number;
  jobId: string;
  jobType: string;
  payload: unknown;
  attempt: number;
  maxAttempts: number;
  ownerId: string | null;
  via: 'session' | 'api_key' | 'guest' | 'system';
  levelCap: 1 | 2 | 3 | 4;
  trace: string | null;
}

/** What became of a claimed job; written by `settle` together with the next claim. */
export type Outcome =
  | { kind: 'completed'; result: unknown }
  | { kind: 'failed'; error: JobError }
  | { kind: 'retry'; error: JobError; delayMs: number }
  /** Not its fault (shutdown, snooze): the attempt is given back. */
  | { kind: 'released'; delayMs: number }
  | { kind: 'cancelled' };
