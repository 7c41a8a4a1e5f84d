import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openFileDatabase } from '../../../src/db/file-database.ts';
import { migrate } from '../../../src/db/migrate.ts';
import { now, sql } from '../../../src/db/sql.ts';
import { enqueueJob } from '../../../src/jobs/index.ts';
import { type Contender, type Jobs, payloadOf } from '../contender.ts';

const MIGRATIONS = join(import.meta.dirname, '../../../migrations');
/** Jobs of one transaction, so that none grows long. */
const ENQUEUE_BATCH = 500;

export const JOB_TYPE = 'bench';
export const SYSTEM = { ownerId: null, via: 'system', levelCap: 4, groupId: null } as const;
export const CONCURRENCY = 64;

/** This queue through what the worker process uses: the lease, the loop, the checked payload and the fenced writes. */
export const anyrag: Contender = {
  name: 'anyrag',
  settings: `node:sqlite ${sqliteVersion()}, WAL, synchronous=NORMAL, secure_delete=ON, 8 KiB pages, concurrency ${CONCURRENCY}`,
  worker: new URL('./anyrag-process.ts', import.meta.url),
  create: createJobs,
};

async function createJobs(path: string): Promise<Jobs> {
  const db = await openFileDatabase({ path, durability: 'normal' });
  await migrate(db, MIGRATIONS);
  const watch = new DatabaseSync(path, { readOnly: true });
  const open = watch.prepare(`SELECT EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_ready
    WHERE status = 'pending' AND wait IS NULL AND crashes = 0) OR EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_held
    WHERE status = 'processing') AS found`);
  const finished = watch.prepare(`SELECT count(*) AS n FROM jobs INDEXED BY jobs_done WHERE finished_at IS NOT NULL`);
  return {
    async addFinished(count) {
      await db.batch([finishedJobs(count)]);
    },
    async enqueue(from, count) {
      for (let n = from; n < from + count; n += ENQUEUE_BATCH) {
        await db.batch(newJobs(n, Math.min(ENQUEUE_BATCH, from + count - n)).flatMap(({ statements }) => statements));
      }
    },
    isAnyOpen: () => open.get()!.found === 1,
    countFinished: () => Number(finished.get()!.n),
    async close() {
      watch.close();
      await db.close();
    },
  };
}

export function newJobs(from: number, count: number) {
  return Array.from({ length: count }, (_, index) =>
    enqueueJob({ jobType: JOB_TYPE, payload: { ...payloadOf(from + index) }, onBehalfOf: SYSTEM }),
  );
}

/** Rows as completed jobs leave them, timeline and result included; `from` goes on where an earlier call ended. */
export function finishedJobs(count: number, from = 0) {
  return sql`INSERT INTO jobs (job_id, job_type, payload, status, run_at, fence, attempts, result, timeline, created_at,
      updated_at, started_at, finished_at)
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ${count})
    SELECT printf('00000000-0000-7000-8000-%012d', n + ${from}), ${JOB_TYPE}, ${JSON.stringify(payloadOf(1))}, 'completed', t, 1, 1,
      '{}', printf(',[%d,"enqueued",null],[%d,"claimed","0199a5f0-0000-7000-8000-000000000000"],[%d,"completed",null]', t, t, t),
      t, t, t, t
    FROM (SELECT n, ${now} - n AS t FROM numbers)`;
}

function sqliteVersion(): string {
  return process.versions.sqlite ?? 'of Node';
}
