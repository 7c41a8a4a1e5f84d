import { join } from 'node:path';
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
import { median } from '../statistics.ts';
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

/** Median microseconds of each operation, a commit included where it writes. */
export type Operations = { [name: string]: number };

/** Times single operations over so many finished rows, each `times` times, alone in this process. */
export function measureOperations(finished: number, times: number): Promise<Operations> {
  return inScratch(async (directory) => {
    const db = await openFileDatabase({ path: join(directory, 'jobs.db'), durability: 'normal' });
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
      return await timeAll(db, times);
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

async function timeAll(db: Database, times: number): Promise<Operations> {
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
  const batch = await timeClaims(db, times, BATCH);
  return {
    enqueue,
    get,
    look,
    'claim 1': single.claim,
    'complete 1': single.complete,
    [`claim ${BATCH}`]: batch.claim,
    [`complete ${BATCH}`]: batch.complete,
    'claim of nothing': await timeEach(times, () => db.batch(claimOf(1))),
  };
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
  return { claim: median(claims), complete: median(completions) };
}

function claimOf(size: number): Statement[] {
  return [claimJobs(WORKER, LINES, size), advanceTurns(WORKER, ['default'])];
}

async function timeEach(times: number, work: (index: number) => Promise<unknown>): Promise<number> {
  const micros: number[] = [];
  for (let index = 0; index < times; index++) micros.push((await timed(() => work(index))).micros);
  return median(micros);
}

async function timed<T>(work: () => Promise<T>): Promise<{ value: T; micros: number }> {
  const startedAt = nowMicros();
  const value = await work();
  return { value, micros: nowMicros() - startedAt };
}
