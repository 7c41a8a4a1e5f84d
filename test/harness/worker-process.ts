import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import { type EnqueueRequest, enqueueJob } from '../../src/jobs/index.ts';
import { readElsewhere } from '../database-processes/start.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { EXECUTION_LOG } from './execution-log.ts';
import { bareEnvironment, followLog, type LogLine } from './server.ts';

const WORKER = join(import.meta.dirname, '../cross-process/worker-process.ts');
const SYSTEM = { ownerId: null, via: 'system', levelCap: 4, groupId: null } as const;
const START_MS = 30_000;

export interface WorkerProcess {
  readonly pid: number;
  readonly log: readonly LogLine[];
  /** Of the lease it had when it became ready. */
  readonly workerId: string;
  next(event: string): Promise<LogLine>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly isAlive: boolean;
}

export interface WorkerProcessOptions {
  concurrency?: number;
  leaseMs?: number;
  jobTimeoutMs?: number;
  abortGraceMs?: number;
  graceMs?: number;
  memoryMb?: number;
  /** Flags for Node, also for the processes of its jobs. */
  flags?: string[];
  env?: Record<string, string>;
}

export interface QueueWorld {
  readonly db: Database;
  /** What DATABASE_URL would say. */
  readonly url: string;
  /** Of the file, also where a server has it open. */
  readonly path: string;
  enqueue(jobType: string, request?: Partial<EnqueueRequest>): Promise<string>;
  /** Many in one transaction. */
  enqueueAll(count: number, jobType: string, payload?: Record<string, unknown>): Promise<string[]>;
  /** Lets the handlers of type `gate` that wait for this go on. */
  openGate(gate: string): Promise<void>;
  /** Resolves when the worker is ready. It is killed when the test ends. */
  startWorker(options?: WorkerProcessOptions): Promise<WorkerProcess>;
  /** Rows as a foreign process reads them from the database. */
  seen(text: string): Promise<Record<string, unknown>[]>;
}

/**
 * A database with workers as processes of their own, which writes down every change of state (`execution-log.ts`) and what
 * the handlers of the tests did (`effects`). Closes the database when the test ends.
 */
export async function createQueueWorld(database?: TestDatabase): Promise<QueueWorld> {
  const created = database ?? (await createTestDatabase());
  const { db, url } = created;
  const workers: WorkerProcess[] = [];
  onTestFinished(async () => {
    for (const worker of workers) if (worker.isAlive) worker.signal('SIGKILL');
    await Promise.all(workers.map((worker) => worker.ended));
    await created.close();
  });
  await db.batch([...TABLES, ...EXECUTION_LOG].map((text) => ({ text, values: [] })));
  return {
    db,
    url,
    get path() {
      return created.path;
    },
    async enqueue(jobType, request = {}) {
      const job = enqueueJob({ jobType, payload: {}, onBehalfOf: SYSTEM, ...request });
      await db.batch(job.statements);
      return job.jobId;
    },
    async enqueueAll(count, jobType, payload = {}) {
      const jobs = Array.from({ length: count }, () => enqueueJob({ jobType, payload, onBehalfOf: SYSTEM }));
      await db.batch(jobs.flatMap(({ statements }) => statements));
      return jobs.map(({ jobId }) => jobId);
    },
    async openGate(gate) {
      await db.batch([sql`INSERT INTO gates (gate) VALUES (${gate})`]);
    },
    async startWorker(options = {}) {
      const worker = await startWorkerProcess(url, options);
      workers.push(worker);
      return worker;
    },
    seen: (text) => readElsewhere(created.seenAt, text),
  };
}

const TABLES = [
  'CREATE TABLE gates (gate TEXT PRIMARY KEY)',
  'CREATE TABLE effects (n INTEGER PRIMARY KEY, job_id TEXT, attempt INTEGER, token TEXT, pid INTEGER)',
];

async function startWorkerProcess(url: string, options: WorkerProcessOptions): Promise<WorkerProcess> {
  const flags = ['--disable-warning=ExperimentalWarning', ...(options.flags ?? [])];
  const child = spawn(process.execPath, [...flags, WORKER], {
    env: { ...bareEnvironment(), ...environmentOf(url, options), ...options.env },
    // The channel stops it when the tests are killed.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const ended = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  const log = followLog(child);
  try {
    const ready = await log.next('worker.ready', START_MS);
    return workerProcess(child, log, ended, ready.worker_id as string);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
}

function workerProcess(
  child: ChildProcess,
  log: ReturnType<typeof followLog>,
  ended: Promise<number | NodeJS.Signals>,
  workerId: string,
): WorkerProcess {
  return {
    pid: child.pid!,
    log: log.lines,
    workerId,
    next: (event) => log.next(event, START_MS),
    signal: (signal) => void child.kill(signal),
    ended,
    get isAlive() {
      return child.exitCode === null && child.signalCode === null;
    },
  };
}

function environmentOf(url: string, options: WorkerProcessOptions): Record<string, string> {
  const { concurrency, leaseMs, jobTimeoutMs, abortGraceMs, graceMs, memoryMb } = options;
  const variables = {
    TEST_CONCURRENCY: concurrency,
    TEST_LEASE_MS: leaseMs,
    TEST_JOB_TIMEOUT_MS: jobTimeoutMs,
    TEST_ABORT_GRACE_MS: abortGraceMs,
    TEST_GRACE_MS: graceMs,
    TEST_MEMORY_MB: memoryMb,
  };
  const set = Object.entries(variables).filter(([, value]) => value !== undefined);
  return { TEST_DATABASE: url, ...Object.fromEntries(set.map(([name, value]) => [name, String(value)])) };
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/** Ids of the processes that this one has started. Linux only. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((candidate) => parentOf(candidate) === pid);
}

function parentOf(pid: number): number | null {
  try {
    // "pid (name) state ppid …"; the name may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    // It has ended meanwhile.
    return null;
  }
}
