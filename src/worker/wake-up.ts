import type { Database } from '../db/database.ts';
import { LogWatch } from './log-watch.ts';

/**
 * Between two looks at the file's change counter. Where changes of its log are reported, none is made without one; elsewhere
 * waking up this often takes 1 % of a core, nearly all of it for the timer.
 */
const LOCAL_LOOK_MS = 15;
/** Even without a change the queue is asked this often: a timer that comes due and a worker that dies leave no sign. */
const LOCAL_ASK_MS = 100;
const REMOTE_MIN_MS = 50;
const REMOTE_MAX_MS = 2_000;

/**
 * Tells the worker when it is worth asking for jobs: at once when something in this process asks, when another process has
 * committed and a job is runnable, when the next timed job is due, and after a while in any case. A missed sign costs
 * latency only.
 */
export class WakeUp {
  readonly #db: Database;
  readonly #watch: LogWatch;
  #wake: (() => void) | null = null;
  #pending = false;
  /** Another process has committed since the last look. */
  #changed = false;
  #lastVersion: number | null = null;
  #remoteDelayMs = REMOTE_MIN_MS;
  #askedAt = Number.NEGATIVE_INFINITY;

  constructor(db: Database) {
    this.#db = db;
    this.#watch = new LogWatch(db.path, () => {
      this.#changed = true;
      this.#wake?.();
    });
  }

  /** Ends the present or the next wait. */
  now(): void {
    this.#pending = true;
    this.#wake?.();
  }

  /** After a failure: long enough not to spin. */
  async pause(): Promise<void> {
    await this.#sleep(500);
  }

  /**
   * Resolves when the queue should be asked: at once when `look` finds something, which is called at each sign of change.
   * Without `look` (no slot, no lease) only `now()` ends the wait.
   */
  async wait(look: (() => Promise<boolean>) | null): Promise<void> {
    if (look === null) {
      await this.#sleep(null);
      this.#pending = false;
      return;
    }
    while (!this.#pending) {
      const lookedAt = performance.now();
      this.#changed = false;
      // Before the look: what is committed after it is reported.
      const isWatched = this.#watch.arm();
      if ((await this.#isWorthAsking()) && (await look())) break;
      if (!this.#changed) await this.#sleep(this.#nextDelay(isWatched));
      // Beside processes that commit all the time, a look for each commit would take a core.
      if (this.#changed) await this.#sleep(lookedAt + LOCAL_LOOK_MS - performance.now());
    }
    this.#watch.disarm();
    this.#remoteDelayMs = REMOTE_MIN_MS;
    this.#pending = false;
  }

  #nextDelay(isWatched: boolean): number {
    if (this.#lastVersion === null) return this.#nextRemoteDelay();
    return isWatched ? LOCAL_ASK_MS : LOCAL_LOOK_MS;
  }

  async #isWorthAsking(): Promise<boolean> {
    const version = await this.#db.dataVersion();
    const changed = version === null || version !== this.#lastVersion;
    this.#lastVersion = version;
    if (!changed && performance.now() - this.#askedAt < LOCAL_ASK_MS) return false;
    this.#askedAt = performance.now();
    return true;
  }

  #nextRemoteDelay(): number {
    const delay = this.#remoteDelayMs * (0.8 + 0.4 * Math.random());
    this.#remoteDelayMs = Math.min(REMOTE_MAX_MS, this.#remoteDelayMs * 1.5);
    return delay;
  }

  async #sleep(ms: number | null): Promise<void> {
    if (this.#pending || (ms !== null && ms <= 0)) return;
    await new Promise<void>((resolve) => {
      const timer = ms === null ? undefined : setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = null;
  }
}
