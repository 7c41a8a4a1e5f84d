import type { Payload } from '../contender.ts';
import { Record, serveWorker } from '../recorded-worker.ts';
import { openPool, TASK } from './graphile-worker.ts';
import { importGraphileWorker } from './peer-packages.ts';
import { serverAddress } from './server-peer.ts';

const CONCURRENCY = 64;

const record = new Record();
const { run, Logger } = await importGraphileWorker();
const pool = await openPool(await serverAddress(process.argv[2]!), 10);
let runner: Promise<{ stop(): Promise<void> }> | null = null;
serveWorker(
  {
    start() {
      runner = run({
        pgPool: pool,
        taskList: { [TASK]: async (payload) => record.note((payload as Payload).n) },
        preset: {
          worker: {
            concurrentJobs: CONCURRENCY,
            pollInterval: 1_000,
            localQueue: { size: 500 },
            completeJobBatchDelay: 0,
            failJobBatchDelay: 0,
            logger: new Logger(() => () => {}),
          },
        },
      });
    },
    async stop() {
      await (await runner)?.stop();
      await pool.end();
    },
  },
  record,
);
