import { type Contender, type Jobs, payloadOf } from '../contender.ts';
import { POSTGRES_PORT, POSTGRES_USER, startPostgres } from '../servers.ts';
import { openPool } from './graphile-worker.ts';
import { importPgBoss, type PgBoss } from './peer-packages.ts';
import { announceServer, postgresSettings, type SynchronousCommit } from './server-peer.ts';

export const QUEUE = 'bench';
const INSERT_BATCH = 5_000;

/** Its own worker loop, which fetches and completes as many jobs at a time as it is told to. */
export function pgBossWith(postgres: string, synchronousCommit: SynchronousCommit): Contender {
  return {
    name: synchronousCommit === 'on' ? 'pg-boss, synced' : 'pg-boss',
    settings: `pg-boss 12.38.0 on PostgreSQL, synchronous_commit=${synchronousCommit}, batches of 500, fetched without a pause while they are full`,
    worker: new URL('./pg-boss-process.ts', import.meta.url),
    create: (path) => createJobs(path, postgres, synchronousCommit),
  };
}

export async function openBoss(address: string): Promise<PgBoss> {
  const Boss = await importPgBoss();
  const boss = new Boss({
    host: address,
    port: POSTGRES_PORT,
    user: POSTGRES_USER,
    database: 'postgres',
    schedule: false,
    supervise: false,
  });
  boss.on('error', (error) => console.error(error));
  await boss.start();
  return boss;
}

async function createJobs(path: string, postgres: string, synchronousCommit: SynchronousCommit): Promise<Jobs> {
  const server = await startPostgres(postgres, postgresSettings(synchronousCommit));
  await announceServer(path, server);
  const boss = await openBoss(server.address);
  await boss.createQueue(QUEUE);
  const pool = await openPool(server.address, 1);
  const count = async (condition: string) => {
    const { rows } = await pool.query(`SELECT count(*)::int AS n FROM pgboss.job WHERE name = $1 AND ${condition}`, [
      QUEUE,
    ]);
    return rows[0]!.n as number;
  };
  return {
    async addFinished(finished) {
      await pool.query(
        `INSERT INTO pgboss.job (name, data, state, started_on, completed_on)
          SELECT $1, $2::jsonb, 'completed', now(), now() FROM generate_series(1, $3::int)`,
        [QUEUE, JSON.stringify(payloadOf(1)), finished],
      );
      await pool.query('ANALYZE');
    },
    async enqueue(from, added) {
      for (let n = from; n < from + added; n += INSERT_BATCH) {
        const length = Math.min(INSERT_BATCH, from + added - n);
        await boss.insert(
          QUEUE,
          Array.from({ length }, (_, index) => ({ data: payloadOf(n + index) })),
        );
      }
    },
    async isAnyOpen() {
      const { rows } = await pool.query(
        `SELECT 1 FROM pgboss.job WHERE name = $1 AND state IN ('created', 'retry', 'active', 'failed') LIMIT 1`,
        [QUEUE],
      );
      return rows.length > 0;
    },
    countFinished: () => count(`state = 'completed'`),
    async close() {
      await pool.end();
      await boss.stop({ graceful: true, close: true });
      await server.stop();
    },
  };
}
