import type { JobLogger } from '../jobs/index.ts';

/** A job that logs in a loop must not fill the database. */
const MAX_LINES = 1_000;
const MAX_LINE_CHARS = 2_000;

export interface JobLogEntry {
  n: number;
  /** How long ago it was said when it was taken. */
  agoMs: number;
  level: 'info' | 'warn' | 'error';
  message: string;
}

/** Passes a handler's lines on to the process's log and keeps their messages for whoever may see the job. */
export class JobLog implements JobLogger {
  readonly #log: JobLogger;
  readonly #fence: number;
  #pending: (Omit<JobLogEntry, 'agoMs'> & { saidAt: number })[] = [];
  #written = 0;

  constructor(log: JobLogger, fence: number) {
    this.#log = log;
    this.#fence = fence;
  }

  info(fields: Record<string, unknown>, message: string): void {
    this.#log.info(fields, message);
    this.#keep('info', message);
  }

  warn(fields: Record<string, unknown>, message: string): void {
    this.#log.warn(fields, message);
    this.#keep('warn', message);
  }

  /** Lines that are not stored yet. */
  take(): JobLogEntry[] {
    const lines = this.#pending;
    this.#pending = [];
    return lines.map(({ saidAt, ...line }) => ({ ...line, agoMs: performance.now() - saidAt }));
  }

  /** Numbered by the claim: a snooze gives the attempt back, and the next run's lines must not collide with these. */
  #keep(level: JobLogEntry['level'], message: string): void {
    if (this.#written >= MAX_LINES) return;
    const n = this.#fence * MAX_LINES + this.#written++;
    this.#pending.push({
      n,
      level,
      message: message.slice(0, MAX_LINE_CHARS).toWellFormed(),
      saidAt: performance.now(),
    });
  }
}
