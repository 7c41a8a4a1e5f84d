import { parentPort, workerData } from 'node:worker_threads';
import { type OpenDatabaseOptions, openDatabase } from '../db/open-database.ts';
import { extendLease, selectCancelRequests } from '../jobs/index.ts';

export interface HeartbeatStart {
  workerId: string;
  leaseMs: number;
  database: OpenDatabaseOptions;
}

export type BeatMessage =
  | { kind: 'alive'; cancelled: { seq: number; fence: number }[] }
  | { kind: 'lost' }
  | { kind: 'failed'; reason: string };

const { workerId, leaseMs, database } = workerData as HeartbeatStart;
const { database: db } = await openDatabase(database);
let stopped = false;
let timer: NodeJS.Timeout | undefined;

async function beat(): Promise<BeatMessage> {
  const [lease, cancelled] = await db.batch([extendLease(workerId, leaseMs), selectCancelRequests(workerId)]);
  if (lease!.length === 0) return { kind: 'lost' };
  return { kind: 'alive', cancelled: cancelled as { seq: number; fence: number }[] };
}

async function loop(): Promise<void> {
  if (stopped) return;
  try {
    const message = await beat();
    parentPort?.postMessage(message);
    if (message.kind === 'lost') return;
  } catch (error) {
    parentPort?.postMessage({ kind: 'failed', reason: (error as Error).message } satisfies BeatMessage);
  }
  // A third of the lease: two beats may be late or lost before anybody may think that this worker is dead.
  if (!stopped) timer = setTimeout(() => void loop(), leaseMs / 3);
}

// At once: starting this thread has taken its share of the lease.
void loop();

parentPort?.once('message', () => {
  stopped = true;
  clearTimeout(timer);
  void db.close();
});
