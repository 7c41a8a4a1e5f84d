import { type Contender, type Jobs, payloadOf } from '../contender.ts';
import { startRedis } from '../servers.ts';
import { importBullMq } from './peer-packages.ts';
import { announceServer } from './server-peer.ts';

export const QUEUE = 'bench';
const ADD_BATCH = 1_000;
const OPEN_STATES = ['waiting', 'active', 'delayed', 'prioritized', 'failed'];

/** How often Redis syncs its log of commands: once a second, or before each answer. */
type Appendfsync = 'everysec' | 'always';

export function bullmqWith(redis: string, appendfsync: Appendfsync): Contender {
  return {
    name: appendfsync === 'always' ? 'bullmq, synced' : 'bullmq',
    settings: `BullMQ 6.7.0 on ioredis 6.0.0 and Redis, appendonly=yes, appendfsync=${appendfsync}, concurrency 64; finished jobs are removed`,
    worker: new URL('./bullmq-process.ts', import.meta.url),
    create: (path) => createJobs(path, redis, appendfsync),
  };
}

async function createJobs(path: string, redis: string, appendfsync: Appendfsync): Promise<Jobs> {
  const server = await startRedis(redis, { appendonly: 'yes', appendfsync, save: '' });
  await announceServer(path, server);
  const { Queue } = await importBullMq();
  const queue = new Queue(QUEUE, {
    connection: { path: server.address },
    defaultJobOptions: { removeOnComplete: true },
  });
  await queue.waitUntilReady();
  let added = 0;
  const countOpen = async () => {
    const counts = await queue.getJobCounts(...OPEN_STATES);
    return Object.values(counts).reduce((sum, count) => sum + count, 0);
  };
  return {
    // As its guide advises, finished jobs are removed: they would take memory.
    async addFinished() {},
    async enqueue(from, count) {
      for (let n = from; n < from + count; n += ADD_BATCH) {
        const length = Math.min(ADD_BATCH, from + count - n);
        await queue.addBulk(Array.from({ length }, (_, index) => ({ name: QUEUE, data: payloadOf(n + index) })));
      }
      added += count;
    },
    isAnyOpen: async () => (await countOpen()) > 0,
    countFinished: async () => added - (await countOpen()),
    async close() {
      await queue.close();
      await server.stop();
    },
  };
}
