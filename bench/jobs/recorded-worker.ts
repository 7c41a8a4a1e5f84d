/** One job that a handler has begun. */
export interface Started {
  n: number;
  /** Of the monotonic clock that all processes of a host share. */
  atMicros: number;
}

/** What a worker process tells about itself. Processor time is that of all its threads. */
export type FromWorker =
  | { kind: 'ready' }
  | { kind: 'cpu'; cpuMicros: number }
  | { kind: 'stopped'; started: Started[]; cpuMicros: number };

export type ToWorker = 'start' | 'cpu' | 'stop';

export interface RecordedWorker {
  start(): void;
  stop(): Promise<void>;
}

/** Notes each job that a handler begins. The same for every contender, and all that a handler does. */
export class Record {
  readonly started: Started[] = [];

  note(n: number): void {
    this.started.push({ n, atMicros: nowMicros() });
  }
}

export function nowMicros(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** The life of a worker process: ready, started, stopped, and gone with the process that measures. */
export function serveWorker(worker: RecordedWorker, record: Record): void {
  process.once('disconnect', () => process.exit());
  process.on('message', (message: ToWorker) => {
    if (message === 'start') worker.start();
    else if (message === 'cpu') tell({ kind: 'cpu', cpuMicros: cpuMicros() });
    else void worker.stop().then(() => tell({ kind: 'stopped', started: record.started, cpuMicros: cpuMicros() }));
  });
  tell({ kind: 'ready' });
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function tell(message: FromWorker): void {
  process.send?.(message);
}
