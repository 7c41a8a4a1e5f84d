import type { z } from 'zod';
import type { Subject } from '../access/index.ts';
import type { Row, Statement } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import type { ErrorCode } from '../errors/codes.ts';

/** What a handler gets beside its payload. */
export interface JobContext {
  readonly jobId: string;
  /** Aborts when the job is cancelled, timed out, or its worker has lost the lease or is stopping. */
  readonly signal: AbortSignal;
  /** Whose rights the job has, looked up when it was claimed. */
  readonly subject: Subject;
  /** 1 for the first run. */
  readonly attempt: number;
  readonly maxAttempts: number;
  /** The same for every attempt of this job: for calls to others that must not count twice. */
  readonly token: string;
  readonly log: JobLogger;
  /** Cheap to call often; what is stored is thinned out. */
  progress(stage: string, done: number, total: number): void;
  /**
   * Runs the statements in one transaction, behind the check that this claim is still the job's last. Throws `lease_lost`
   * otherwise, and nothing was written.
   */
  write(statements: readonly Statement[]): Promise<Row[][]>;
}

export interface JobLogger {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
}

/** A type of job: how its payload is checked when it is read, and what runs. Running it twice gives what running it once gives. */
export interface JobHandler<P = unknown> {
  payload: z.ZodType<P>;
  run(payload: P, context: JobContext): Promise<Record<string, unknown>>;
}

/** Thrown by a handler: run again after the delay, without counting an attempt. */
export class RetryLater extends Error {
  readonly delayMs: number;
  constructor(delayMs: number, options?: ErrorOptions) {
    super(`retry in ${delayMs} ms`, options);
    this.name = 'RetryLater';
    this.delayMs = delayMs;
  }
}

/** Thrown by a handler: never run again, whatever attempts are left. */
export class GiveUp extends AppError {
  constructor(code: ErrorCode, detail?: string, options?: { cause?: unknown }) {
    super(code, detail, options);
    this.name = 'GiveUp';
  }
}
