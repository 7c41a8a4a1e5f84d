import { Cron } from 'croner';
import { AppError } from '../../errors/app-error.ts';

/** When a schedule comes due. Instants are milliseconds since 1970. */
export interface Slots {
  /** The first slot after the instant. */
  next(afterMs: number): number;
  /** The slots of `[fromMs, untilMs]`, of which `fromMs` is one, oldest first; no more than the latest `most`. */
  between(fromMs: number, untilMs: number, most: number): number[];
}

/** Five or six fields, or a nickname such as `@daily`: croner would also take an instant, which comes due only once. */
const CRON = /^(@[a-z]+|\S+( +\S+){4,5})$/i;

/**
 * Reads a cron expression. Where clocks change, a schedule that names its hours (`30 2 * * *`, also `30 2,14 * * *`) runs
 * once each day: a time that the spring leaves out is replaced by the first instant after the gap, and of the two that
 * the autumn gives the first counts. One that repeats within the hours (`*` or a step) follows the instants: it neither
 * skips nor doubles one. Throws `validation_failed` with a sentence for an expression or time zone that is not valid, and
 * for one that never comes due.
 */
export function readCron(cron: string, timeZone: string): Slots {
  const parsed = parse(cron, timeZone);
  const next = (afterMs: number) => {
    const date = parsed.nextRun(new Date(afterMs));
    if (date === null) throw invalid(cron, timeZone, 'it never comes due');
    return date.getTime();
  };
  return {
    next,
    between(fromMs, untilMs, most) {
      const slots: number[] = [];
      for (let slot = fromMs; slot <= untilMs; slot = next(slot)) {
        // After a long outage it is shorter to look back from its end.
        if (slots.length === most) return latest(parsed, fromMs, untilMs, most);
        slots.push(slot);
      }
      return slots;
    },
  };
}

function latest(parsed: Cron, fromMs: number, untilMs: number, most: number): number[] {
  const slots = parsed.previousRuns(most, new Date(untilMs + 1)).map((date) => date.getTime());
  return slots.reverse().filter((slot) => slot >= fromMs);
}

function parse(cron: string, timeZone: string): Cron {
  if (!CRON.test(cron)) throw invalid(cron, timeZone, 'it needs five fields, or six with seconds in front');
  try {
    const parsed = new Cron(cron, {
      timezone: timeZone,
      mode: '5-or-6-parts',
      fixedTimeRule: 'no-wildcard',
      paused: true,
    });
    // An unknown time zone shows only now.
    parsed.nextRun(new Date(0));
    return parsed;
  } catch (error) {
    const reason = (error as Error).message.includes('timezone')
      ? 'the time zone is unknown'
      : reasonOf(error as Error);
    throw invalid(cron, timeZone, reason, error);
  }
}

function reasonOf(error: Error): string {
  return error.message.replace(/^\w+: /, '');
}

function invalid(cron: string, timeZone: string, reason: string, cause?: unknown): AppError {
  return new AppError('validation_failed', `The schedule "${cron}" in ${timeZone} is not valid: ${reason}`, { cause });
}
