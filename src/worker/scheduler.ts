import type { Database } from '../db/database.ts';
import { fireDueSchedules, type NewSchedule, upsertSchedule } from '../jobs/index.ts';
import type { Logger } from '../telemetry/logger.ts';

/** A schedule that another process has added or changed is noticed after this long. */
const LOOK_AGAIN_MS = 5_000;
const RETRY_MS = 1_000;
/** Lets the many workers of a system look one after the other, so that mostly one finds a slot and the rest find it done. */
const JITTER_MS = 100;

export interface SchedulerDependencies {
  db: Database;
  log: Logger;
  /** Added before the first look. */
  schedules: readonly NewSchedule[];
}

/**
 * Adds the jobs of schedules when they come due. Every worker runs one and none leads: the database lets each slot fire
 * once, so that the next worker goes on when one dies.
 */
export class Scheduler {
  readonly #deps: SchedulerDependencies;
  #loop: Promise<void> | null = null;
  #stopping = false;
  #isRegistered = false;
  #wake: () => void = () => {};

  constructor(deps: SchedulerDependencies) {
    this.#deps = deps;
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Waits for what is being written. May be called twice. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    await this.#loop;
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const untilNextMs = await this.#look();
      await this.#sleep(Math.min(untilNextMs, LOOK_AGAIN_MS) + Math.random() * JITTER_MS);
    }
  }

  /** Answers how long it takes until there is something to do. */
  async #look(): Promise<number> {
    const { db, log } = this.#deps;
    try {
      await this.#register();
      const { fired, failed, untilNextMs } = await fireDueSchedules(db);
      for (const { scheduleId, slot } of fired) {
        const fields = { event: 'schedule.fired', schedule_id: scheduleId, slot: new Date(slot).toISOString() };
        log.info(fields, 'a scheduled job was added');
      }
      for (const { scheduleId, error } of failed) {
        log.error({ event: 'schedule.failed', schedule_id: scheduleId, err: error }, 'a schedule could not be fired');
      }
      // What could not be fired is still due.
      return failed.length > 0 ? RETRY_MS : (untilNextMs ?? LOOK_AGAIN_MS);
    } catch (error) {
      log.error({ event: 'worker.schedules_failed', err: error }, 'schedules could not be looked after');
      return RETRY_MS;
    }
  }

  async #register(): Promise<void> {
    if (this.#isRegistered) return;
    for (const schedule of this.#deps.schedules) await upsertSchedule(this.#deps.db, schedule);
    this.#isRegistered = true;
  }

  async #sleep(ms: number): Promise<void> {
    if (this.#stopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
