import type { Payload } from '../contender.ts';
import { Record, serveWorker } from '../recorded-worker.ts';
import { openBoss, QUEUE } from './pg-boss.ts';
import { serverAddress } from './server-peer.ts';

const record = new Record();
const boss = await openBoss(await serverAddress(process.argv[2]!));
serveWorker(
  {
    start() {
      const options = { batchSize: 500, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true };
      void boss.work(QUEUE, options, async (jobs) => {
        for (const { data } of jobs) record.note((data as Payload).n);
      });
    },
    async stop() {
      await boss.offWork(QUEUE);
      await boss.stop({ graceful: true });
    },
  },
  record,
);
