/** What is used of `better-sqlite3`. */
export interface Connection {
  prepare(text: string): { get(): { [column: string]: unknown }; run(values: unknown): unknown };
}

/** What is used of `plainjob`. */
export interface PlainjobQueue {
  addMany(type: string, payloads: readonly unknown[]): unknown;
  close(): void;
}

export interface PlainjobWorker {
  start(): Promise<void>;
  stop(): Promise<void>;
}

interface Plainjob {
  better(connection: Connection): unknown;
  defineQueue(options: { connection: unknown; logger: Logger }): PlainjobQueue;
  defineWorker(
    type: string,
    handler: (job: { data: string }) => Promise<void>,
    options: { queue: PlainjobQueue; logger: Logger },
  ): PlainjobWorker;
}

type Logger = { [level in 'error' | 'warn' | 'info' | 'debug']: (...values: unknown[]) => void };

/** As in plainjob's own benchmark. */
const LOGGER: Logger = { error: console.error, warn: console.warn, info: () => {}, debug: () => {} };
export const JOB_TYPE = 'bench';

/** Opens or creates a queue. The packages are only there after `script/bench-jobs`, so nothing else may need them. */
export async function openPlainjob(path: string) {
  const plainjob = (await importPeer('plainjob')) as Plainjob;
  const { default: Sqlite } = (await importPeer('better-sqlite3')) as { default: new (path: string) => Connection };
  const connection = new Sqlite(path);
  // Sets WAL, synchronous = NORMAL and busy_timeout = 5000.
  const queue = plainjob.defineQueue({ connection: plainjob.better(connection), logger: LOGGER });
  const defineWorker = (handler: (job: { data: string }) => Promise<void>) =>
    plainjob.defineWorker(JOB_TYPE, handler, { queue, logger: LOGGER });
  return { connection, queue, defineWorker };
}

function importPeer(name: string): Promise<unknown> {
  return import(name);
}
