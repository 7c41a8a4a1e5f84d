import type { z } from 'zod';
import type { Subject } from '../access/index.ts';
import type { Row, Statement } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import type { ErrorCode } from '../errors/codes.ts';
import type { EnqueueRequest } from './enqueue.ts';
import type { Job } from './job.ts';

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
  /**
   * Adds children in one transaction with `statements`. The job is run again when all of them have ended, if it then throws
   * `WaitForChildren`; a child with a unique key that is in use is not added twice. They act for the same subject.
   */
  spawn(children: readonly ChildRequest[], statements?: readonly Statement[]): Promise<void>;
  /** The children added so far, in order. */
  children(): Promise<Job[]>;
}

/** A child job: it acts for its parent's subject, in its parent's queue unless said otherwise. */
export type ChildRequest = Omit<EnqueueRequest, 'onBehalfOf' | 'parentId' | 'trace'>;

export interface JobLogger {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
}

/** A type of job: how its payload is checked when it is read, and what runs. Running it twice gives what running it once gives. */
export interface JobHandler<P = unknown> {
  payload: z.ZodType<P>;
  /** Longest run of one attempt; the worker's setting where it is not said. */
  timeoutMs?: number;
  /** How many jobs of this type one worker process runs at a time; its whole concurrency where it is not said. */
  concurrency?: number;
  /**
   * Runs in a process of its own, with a limit on its memory: a crash takes nothing with it, and a run that ignores its
   * signal is killed. For whatever works on content from outside or loads native code; a light job would only pay for it.
   */
  isolated?: boolean;
  /** How long results are kept; as long as the job where it is not said. */
  resultTtlMs?: number;
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

/**
 * Thrown by a handler that has added children: run again when all of them have ended, without counting an attempt.
 *
 * @public
 */
export class WaitForChildren extends Error {
  constructor() {
    super('waits for its children');
    this.name = 'WaitForChildren';
  }
}

/** Thrown by a handler: never run again, whatever attempts are left. */
export class GiveUp extends AppError {
  constructor(code: ErrorCode, detail?: string, options?: { cause?: unknown }) {
    super(code, detail, options);
    this.name = 'GiveUp';
  }
}
