import { type Contender, type Jobs, payloadOf } from '../contender.ts';
import { JOB_TYPE, openPlainjob } from './plainjob-packages.ts';

/** Its own worker loop, as its benchmark runs it: one job at a time in each process. */
export const plainjob: Contender = {
  name: 'plainjob',
  settings: 'plainjob 0.0.14 on better-sqlite3 13.2.0, WAL, synchronous=NORMAL, 4 KiB pages (its own settings)',
  worker: new URL('./plainjob-process.ts', import.meta.url),
  create: createJobs,
};

async function createJobs(path: string): Promise<Jobs> {
  const { connection, queue } = await openPlainjob(path);
  const open = connection.prepare('SELECT EXISTS (SELECT 1 FROM plainjob_jobs WHERE status IN (0, 1)) AS found');
  const finished = connection.prepare('SELECT count(*) AS n FROM plainjob_jobs WHERE status = 2');
  return {
    async addFinished(count) {
      const values = { type: JOB_TYPE, data: JSON.stringify(payloadOf(1)), now: Date.now(), count };
      connection
        .prepare(`INSERT INTO plainjob_jobs (type, data, status, next_run_at, created_at)
          WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < @count)
          SELECT @type, @data, 2, @now - n, @now - n FROM numbers`)
        .run(values);
    },
    async enqueue(from, count) {
      queue.addMany(
        JOB_TYPE,
        Array.from({ length: count }, (_, index) => payloadOf(from + index)),
      );
    },
    isAnyOpen: () => open.get().found === 1,
    countFinished: () => Number(finished.get().n),
    async close() {
      queue.close();
    },
  };
}
