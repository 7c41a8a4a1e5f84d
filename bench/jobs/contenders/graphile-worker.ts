import type { Contender, Jobs } from '../contender.ts';
import { payloadOf } from '../contender.ts';
import { POSTGRES_PORT, POSTGRES_USER, startPostgres } from '../servers.ts';
import { importGraphileWorker, importPgPool, type PgPool } from './peer-packages.ts';
import { announceServer, postgresSettings, type SynchronousCommit } from './server-peer.ts';

export const TASK = 'bench';

/** Its worker as its guide to performance has it: jobs are fetched many at a time, and completed together. */
export function graphileWorkerWith(postgres: string, synchronousCommit: SynchronousCommit): Contender {
  return {
    name: synchronousCommit === 'on' ? 'graphile-worker, synced' : 'graphile-worker',
    settings: `graphile-worker 0.18.0 on PostgreSQL, synchronous_commit=${synchronousCommit}, concurrency 64, localQueue 500, completions together; keeps no finished jobs`,
    worker: new URL('./graphile-worker-process.ts', import.meta.url),
    create: (path) => createJobs(path, postgres, synchronousCommit),
  };
}

/** Of the database that a contender's server has. */
export async function openPool(address: string, max: number): Promise<PgPool> {
  const Pool = await importPgPool();
  const pool = new Pool({ host: address, port: POSTGRES_PORT, user: POSTGRES_USER, database: 'postgres', max });
  // A pool without these would end its process with the first connection that breaks.
  pool.on('error', console.error);
  pool.on('connect', (client) => client.on('error', console.error));
  return pool;
}

async function createJobs(path: string, postgres: string, synchronousCommit: SynchronousCommit): Promise<Jobs> {
  const server = await startPostgres(postgres, postgresSettings(synchronousCommit));
  await announceServer(path, server);
  const pool = await openPool(server.address, 2);
  const { runMigrations } = await importGraphileWorker();
  await runMigrations({ pgPool: pool });
  let added = 0;
  const remaining = async () => {
    const { rows } = await pool.query('SELECT count(*)::int AS n FROM graphile_worker._private_jobs');
    return rows[0]!.n as number;
  };
  return {
    // Completed jobs are deleted, so a database never holds any.
    async addFinished() {},
    async enqueue(from, count) {
      const payloads = Array.from({ length: count }, (_, index) => payloadOf(from + index));
      await pool.query(
        `SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
          SELECT row($1::text, value, NULL, NULL, NULL, NULL, NULL, NULL)::graphile_worker.job_spec
          FROM json_array_elements($2::json) AS value))`,
        [TASK, JSON.stringify(payloads)],
      );
      added += count;
    },
    async isAnyOpen() {
      // From the end, where the jobs lie that are done last.
      const { rows } = await pool.query('SELECT 1 FROM graphile_worker._private_jobs ORDER BY id DESC LIMIT 1');
      return rows.length > 0;
    },
    countFinished: async () => added - (await remaining()),
    async close() {
      await pool.end();
      await server.stop();
    },
  };
}
