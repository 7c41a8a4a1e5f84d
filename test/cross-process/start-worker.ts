import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { waitUntil } from '../harness/wait-until.ts';
import type { WorkerEvent, WorkerSettings } from './scripted-worker-process.ts';

export interface WorkerProcess {
  readonly pid: number;
  /** The job's handler has begun here. */
  hasStarted(jobId: string): boolean;
  started(jobId: string): Promise<void>;
  /** It has seen that it is to stop. */
  stopping(): Promise<void>;
  /** The code with which the job's handler was aborted. */
  aborted(jobId: string): Promise<string>;
  /** Events of the log so far. */
  logged(event: string): boolean;
  /** Lets a waiting handler end. */
  go(): void;
  signal(signal: NodeJS.Signals): void;
  /** How the process ended: its exit code, or the signal. */
  ended(): Promise<number | NodeJS.Signals>;
}

/** Starts a worker process with the handlers of `scripted-worker-process.ts` and waits until it takes jobs. */
export async function startWorkerProcess(
  path: string,
  settings: Partial<Omit<WorkerSettings, 'path'>> = {},
): Promise<WorkerProcess> {
  const argument = JSON.stringify({ leaseMs: 600, graceMs: 10_000, concurrency: 1, ...settings, path });
  const script = join(import.meta.dirname, 'scripted-worker-process.ts');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, argument], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  const ending = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const events: WorkerEvent[] = [];
  child.on('message', (event) => events.push(event as WorkerEvent));
  const log = followLog(child);
  const find = <K extends WorkerEvent['kind']>(kind: K, jobId: string | null) =>
    events.find(
      (event): event is Extract<WorkerEvent, { kind: K }> =>
        event.kind === kind && (jobId === null || ('jobId' in event && event.jobId === jobId)),
    );

  await waitUntil(() => find('ready', null), 'a worker process');
  return {
    pid: child.pid!,
    hasStarted: (jobId) => find('started', jobId) !== undefined,
    async started(jobId) {
      await waitUntil(() => find('started', jobId), `the start of job ${jobId}`);
    },
    async stopping() {
      await waitUntil(() => find('stopping', null), 'the begin of stopping');
    },
    aborted: async (jobId) => (await waitUntil(() => find('aborted', jobId), `the abort of job ${jobId}`)).code,
    logged: (event) => log.has(event),
    go: () => child.send('go'),
    signal: (signal) => child.kill(signal),
    async ended() {
      const [code, signal] = await ending;
      return code ?? signal!;
    },
  };
}

function followLog(child: ChildProcess): ReadonlySet<string> {
  const seen = new Set<string>();
  createInterface({ input: child.stdout! }).on('line', (line) => {
    seen.add((JSON.parse(line) as { event: string }).event);
  });
  return seen;
}
