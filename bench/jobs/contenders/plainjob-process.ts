import type { Payload } from '../contender.ts';
import { Record, serveWorker } from '../recorded-worker.ts';
import { openPlainjob } from './plainjob-packages.ts';

const record = new Record();
const { queue, defineWorker } = await openPlainjob(process.argv[2]!);
const worker = defineWorker(async ({ data }) => record.note((JSON.parse(data) as Payload).n));
serveWorker(
  {
    start: () => void worker.start(),
    async stop() {
      await worker.stop();
      queue.close();
    },
  },
  record,
);
