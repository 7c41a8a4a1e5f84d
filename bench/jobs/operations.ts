import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Database } from '../../src/db/database.ts';
import { openFileDatabase } from '../../src/db/file-database.ts';
import { migrate } from '../../src/db/migrate.ts';
import type { Statement } from '../../src/db/sql.ts';
import {
  advanceTurns,
  claimJobs,
  insertWorker,
  selectJob,
  selectRunnable,
  settleJobs,
  toClaimedJob,
} from '../../src/jobs/index.ts';
import { quantile } from '../statistics.ts';
import { finishedJobs, JOB_TYPE, newJobs } from './contenders/anyrag.ts';
import { nowMicros } from './recorded-worker.ts';
import { inScratch } from './scratch.ts';

const MIGRATIONS = join(import.meta.dirname, '../../migrations');
const WORKER = 'bench';
const LINES = [{ queue: 'default', jobType: JOB_TYPE }];
const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };
/** Rows that one transaction adds before anything is measured. */
const FINISHED_BATCH = 1_000_000;
const BATCH = 32;
/** Few enough for the log not to begin anew meanwhile, which it does after a thousand pages. */
const LOGGED_BATCHES = 10;

export interface Timing {
  p50Micros: number;
  p99Micros: number;
}

export interface Operations {
  /** One call, a commit included where it writes. */
  calls: { [name: string]: Timing };
  /** What a job takes that is claimed and completed among 32. */
  cpuMicrosPerJob: number;
  /** Bytes of write-ahead log of a job. */
  logBytesPerJob: { enqueue: number; 'claim and complete': number };
}

/** Measures single operations over so many finished rows, each `times` times, alone in this process. */
export function measureOperations(finished: number, times: number): Promise<Operations> {
  return inScratch(async (directory) => {
    const path = join(directory, 'jobs.db');
    const db = await openFileDatabase({ path, durability: 'normal' });
    try {
      await migrate(db, MIGRATIONS);
      await addFinished(db, finished);
      await db.batch([
        insertWorker({
          workerId: WORKER,
          host: 'here',
          pid: 1,
          queues: null,
          jobTypes: [JOB_TYPE],
          leaseMs: 3_600_000,
        }),
      ]);
      return { ...(await timeAll(db, times)), logBytesPerJob: await measureLog(db, path) };
    } finally {
      await db.close();
    }
  });
}

async function addFinished(db: Database, count: number): Promise<void> {
  for (let from = 0; from < count; from += FINISHED_BATCH) {
    await db.batch([finishedJobs(Math.min(FINISHED_BATCH, count - from), from)]);
  }
}

async function timeAll(db: Database, times: number): Promise<Omit<Operations, 'logBytesPerJob'>> {
  const ids: string[] = [];
  const enqueue = await timeEach(times, async () => {
    const [job] = newJobs(ids.length, 1);
    ids.push(job!.jobId);
    await db.batch(job!.statements);
  });
  const get = await timeEach(times, (index) => selectJob(db, ids[index]!, EVERYBODY));
  const look = await timeEach(times, () => selectRunnable(db, null, [JOB_TYPE]));
  const single = await timeClaims(db, times, 1);
  await db.batch(newJobs(times, times * BATCH).flatMap(({ statements }) => statements));
  const cpuBefore = process.cpuUsage();
  const batch = await timeClaims(db, times, BATCH);
  const { user, system } = process.cpuUsage(cpuBefore);
  const calls = {
    enqueue,
    get,
    look,
    'claim 1': single.claim,
    'complete 1': single.complete,
    [`claim ${BATCH}`]: batch.claim,
    [`complete ${BATCH}`]: batch.complete,
    'claim of nothing': await timeEach(times, () => db.batch(claimOf(1))),
  };
  return { calls, cpuMicrosPerJob: (user + system) / (times * BATCH) };
}

async function measureLog(db: Database, path: string): Promise<Operations['logBytesPerJob']> {
  const enqueue = await logBytes(path, async () => {
    for (let n = 0; n < LOGGED_BATCHES; n++) {
      await db.batch(newJobs(n * BATCH, BATCH).flatMap(({ statements }) => statements));
    }
  });
  const claims = await logBytes(path, () => timeClaims(db, LOGGED_BATCHES, BATCH));
  const jobs = LOGGED_BATCHES * BATCH;
  return { enqueue: enqueue / jobs, 'claim and complete': claims / jobs };
}

async function logBytes(path: string, work: () => Promise<unknown>): Promise<number> {
  const connection = new DatabaseSync(path);
  try {
    connection.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    await work();
    return statSync(`${path}-wal`).size;
  } finally {
    connection.close();
  }
}

async function timeClaims(db: Database, times: number, size: number) {
  const claims: number[] = [];
  const completions: number[] = [];
  for (let index = 0; index < times; index++) {
    const claim = await timed(() => db.batch(claimOf(size)));
    const jobs = claim.value[0]!.map(toClaimedJob);
    if (jobs.length !== size) throw new Error(`claimed ${jobs.length} jobs of ${size}`);
    const settlements = jobs.map((job) => ({ job, outcome: { kind: 'completed', result: {} } as const }));
    const completion = await timed(() => db.batch(settleJobs(settlements)));
    if (completion.value[0]!.length !== size) throw new Error('a completion was lost');
    claims.push(claim.micros);
    completions.push(completion.micros);
  }
  return { claim: timingOf(claims), complete: timingOf(completions) };
}

function claimOf(size: number): Statement[] {
  return [claimJobs(WORKER, LINES, size), advanceTurns(WORKER, ['default'])];
}

async function timeEach(times: number, work: (index: number) => Promise<unknown>): Promise<Timing> {
  const micros: number[] = [];
  for (let index = 0; index < times; index++) micros.push((await timed(() => work(index))).micros);
  return timingOf(micros);
}

function timingOf(micros: readonly number[]): Timing {
  const sorted = micros.toSorted((a, b) => a - b);
  return { p50Micros: quantile(sorted, 0.5), p99Micros: quantile(sorted, 0.99) };
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; micros: number }> {
  const startedAt = nowMicros();
  const value = await work();
  return { value, micros: nowMicros() - startedAt };
}
