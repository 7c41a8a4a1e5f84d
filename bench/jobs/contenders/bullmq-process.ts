import type { Payload } from '../contender.ts';
import { Record, serveWorker } from '../recorded-worker.ts';
import { QUEUE } from './bullmq.ts';
import { importBullMq } from './peer-packages.ts';
import { serverAddress } from './server-peer.ts';

const record = new Record();
const { Worker } = await importBullMq();
const connection = { path: await serverAddress(process.argv[2]!), maxRetriesPerRequest: null };
const worker = new Worker(QUEUE, async ({ data }) => record.note((data as Payload).n), {
  connection,
  concurrency: 64,
  autorun: false,
});
worker.on('error', (error) => console.error(error));
await worker.waitUntilReady();
serveWorker({ start: () => void worker.run(), stop: () => worker.close() }, record);
