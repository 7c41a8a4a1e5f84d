import type { Contender } from './contender.ts';
import { bullmqWith } from './contenders/bullmq.ts';
import { graphileWorkerWith } from './contenders/graphile-worker.ts';
import { pgBossWith } from './contenders/pg-boss.ts';
import { findPostgres, findRedis } from './servers.ts';

/**
 * Queues that need a server, each twice: once as durable as the others, which may lose the last moments when the power fails,
 * and once with every commit on the disk before it is answered. Says of each server that is missing that it is.
 */
export function serverPeers(say: (sentence: string) => void): Contender[] {
  const postgres = findPostgres();
  const redis = findRedis();
  if (postgres === null) say('graphile-worker and pg-boss are skipped: PostgreSQL (initdb, postgres) is not installed');
  if (redis === null) say('BullMQ is skipped: redis-server is not on the PATH');
  return [
    ...(redis === null ? [] : [bullmqWith(redis, 'everysec'), bullmqWith(redis, 'always')]),
    ...(postgres === null
      ? []
      : [
          graphileWorkerWith(postgres, 'off'),
          graphileWorkerWith(postgres, 'on'),
          pgBossWith(postgres, 'off'),
          pgBossWith(postgres, 'on'),
        ]),
  ];
}
