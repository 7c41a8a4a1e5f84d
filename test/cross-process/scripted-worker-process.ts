import { once } from 'node:events';
import { z } from 'zod';
import { jobSubject } from '../../src/access/index.ts';
import { openFileDatabase } from '../../src/db/file-database.ts';
import { sql } from '../../src/db/sql.ts';
import type { JobContext, JobHandler } from '../../src/jobs/index.ts';
import { untilStopped } from '../../src/main/on-stop.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { startWorker } from '../../src/worker/start-worker.ts';

// A worker as `src/main/worker.ts` wires it, with handlers that do what a test is about and tell the test what they do.

export interface WorkerSettings {
  path: string;
  leaseMs: number;
  graceMs: number;
  concurrency: number;
}

export type WorkerEvent =
  | { kind: 'ready' }
  | { kind: 'stopping' }
  | { kind: 'started'; jobId: string; attempt: number }
  | { kind: 'aborted'; jobId: string; code: string };

const settings = JSON.parse(process.argv[2]!) as WorkerSettings;

function tell(event: WorkerEvent): void {
  process.send?.(event);
}

function untilAborted({ signal, jobId }: JobContext): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      tell({ kind: 'aborted', jobId, code: signal.reason.code });
      reject(signal.reason);
    });
  });
}

const RUNS: Record<string, (context: JobContext, ms: number) => Promise<unknown>> = {
  /** Runs until the test says so. */
  wait: (context) => Promise.race([once(process, 'message'), untilAborted(context)]),
  /** Holds the event loop, as a parser without a process of its own would. */
  block: async (_, ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  /** Has an effect, which the fence guards. */
  count: (context) =>
    context.write([sql`INSERT INTO effects (job_id, attempt) VALUES (${context.jobId}, ${context.attempt})`]),
  die: async () => process.kill(process.pid, 'SIGKILL'),
};

const handler: JobHandler<{ run: string; ms: number }> = {
  payload: z.object({ run: z.string(), ms: z.number().default(0) }),
  async run({ run, ms }, context) {
    tell({ kind: 'started', jobId: context.jobId, attempt: context.attempt });
    await RUNS[run]!(context, ms);
    return { pid: process.pid };
  },
};

const db = await openFileDatabase({ path: settings.path, durability: 'normal' });
const log = createLogger({ level: 'warn', service: 'worker' });
const worker = await startWorker({
  db,
  log,
  database: { url: settings.path, durability: 'normal' },
  leaseMs: settings.leaseMs,
  queues: null,
  handlers: new Map([['work', handler as JobHandler]]),
  resolveSubject: (job) => jobSubject({ db }, job),
  concurrency: settings.concurrency,
  jobTimeoutMs: 60_000,
  abortGraceMs: 60_000,
  hosts: null,
  onStuck: () => {},
  onDatabaseFailed: () => {},
});
tell({ kind: 'ready' });
await untilStopped(async () => {
  tell({ kind: 'stopping' });
  await worker.stop(settings.graceMs);
  await db.close();
});
process.exit(0);
