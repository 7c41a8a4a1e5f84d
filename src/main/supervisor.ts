import { type ChildProcess, spawn } from 'node:child_process';
import { siblingModule } from '../base/source-file.ts';
import { AppError } from '../errors/app-error.ts';
import type { Logger } from '../telemetry/logger.ts';
import { exchangeMetrics } from './metrics-exchange.ts';

type ChildName = 'api' | 'worker';

interface ReadyMessage {
  kind: 'ready';
  /** Of the API. */
  url?: string;
}

interface Child {
  name: ChildName;
  /** 1 and up among the workers, taken over by whoever replaces a dead one. */
  slot: number;
  process: ChildProcess;
  isReady: boolean;
  /** Restarts in a row that did not get as far as being ready. */
  failedStarts: number;
}

const MAX_RESTART_DELAY_MS = 30_000;
const RESTART_DELAY_MS = 200;

/** Starts the processes of `up`, starts dead ones again, and stops them all together. */
export class Supervisor {
  readonly #log: Logger;
  readonly #graceMs: number;
  readonly #options: readonly string[];
  readonly #children = new Set<Child>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopping = false;

  constructor(options: { log: Logger; graceMs: number; options: readonly string[] }) {
    this.#log = options.log;
    this.#graceMs = options.graceMs;
    this.#options = options.options;
  }

  /** Resolves when the process is ready for the first time. A first start that fails is not tried again: set-up is wrong. */
  start(name: ChildName): Promise<ReadyMessage> {
    return new Promise((resolve, reject) => {
      const child = this.#spawn(name, 0, resolve);
      child.process.once('exit', (code) => {
        if (!child.isReady)
          reject(new AppError('config_invalid', `The ${name} process did not start (exit code ${code}).`));
      });
    });
  }

  /** SIGTERM to all, and SIGKILL to what is left after the grace period. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const ends = [...this.#children].map(({ process }) => new Promise((resolve) => process.once('exit', resolve)));
    for (const { process } of this.#children) process.kill('SIGTERM');
    const deadline = setTimeout(() => this.kill(), this.#graceMs);
    await Promise.all(ends);
    clearTimeout(deadline);
  }

  /** SIGKILL to all that are left. Without it they would go on stopping in peace, and hold the port meanwhile. */
  kill(): void {
    this.#stopping = true;
    for (const { process } of this.#children) process.kill('SIGKILL');
  }

  #spawn(name: ChildName, failedStarts: number, onReady: (message: ReadyMessage) => void): Child {
    // A process group of its own, so that a Ctrl-C reaches it once, through us. With the channel closed it stops itself.
    const process_ = spawn(
      process.execPath,
      [...process.execArgv, siblingModule(import.meta.url, `./${name}`).pathname, ...this.#options],
      {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        detached: true,
      },
    );
    const child: Child = { name, slot: this.#freeSlot(name), process: process_, isReady: false, failedStarts };
    this.#children.add(child);
    exchangeMetrics(process_, () => this.#workers());
    process_.on('message', (message: { kind: string }) => {
      if (message.kind !== 'ready') return;
      child.isReady = true;
      onReady(message as ReadyMessage);
    });
    process_.once('exit', (code, signal) => this.#ended(child, code, signal));
    return child;
  }

  #freeSlot(name: ChildName): number {
    const taken = new Set([...this.#children].filter((child) => child.name === name).map(({ slot }) => slot));
    for (let slot = 1; ; slot++) if (!taken.has(slot)) return slot;
  }

  #workers(): Map<string, ChildProcess> {
    const workers = [...this.#children].filter(({ name }) => name === 'worker');
    return new Map(workers.map(({ slot, process }) => [`worker-${slot}`, process]));
  }

  #ended(child: Child, code: number | null, signal: NodeJS.Signals | null): void {
    this.#children.delete(child);
    if (this.#stopping) return;
    if (!child.isReady && child.failedStarts === 0) return;
    const failedStarts = child.isReady ? 0 : child.failedStarts + 1;
    const delayMs = failedStarts === 0 ? RESTART_DELAY_MS : Math.min(MAX_RESTART_DELAY_MS, 500 * 2 ** failedStarts);
    this.#log.error(
      { event: 'up.child_died', child: child.name, code, signal, restart_in_ms: delayMs },
      `the ${child.name} process died; starting it again`,
    );
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#spawn(child.name, failedStarts + 1, () => {});
    }, delayMs);
    this.#timers.add(timer);
  }
}
