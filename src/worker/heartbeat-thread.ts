import { parentPort, workerData } from 'node:worker_threads';
import { type OpenDatabaseOptions, openDatabase } from '../db/open-database.ts';
import { extendLease, selectCancelRequests } from '../jobs/index.ts';
import { isFileBroken } from './broken-file.ts';

export interface HeartbeatStart {
  workerId: string;
  leaseMs: number;
  database: OpenDatabaseOptions;
}

export type BeatMessage =
  | { kind: 'alive'; cancelled: { seq: number; fence: number }[] }
  | { kind: 'lost' }
  /** `isFileBroken`: the database is a file, and has failed for good. */
  | { kind: 'failed'; reason: string; isFileBroken: boolean };

const { workerId, leaseMs, database } = workerData as HeartbeatStart;
/** An answer that does not come by then is given up, and another beat sent: one silence must not cost the lease. */
const ANSWER_SHARE = 1 / 6;
const { database: db } = await openDatabase({ ...database, requestTimeoutMs: leaseMs * ANSWER_SHARE });
let stopped = false;
let timer: NodeJS.Timeout | undefined;

async function beat(): Promise<BeatMessage> {
  const [lease, cancelled] = await db.batch([extendLease(workerId, leaseMs), selectCancelRequests(workerId)]);
  if (lease!.length === 0) return { kind: 'lost' };
  return { kind: 'alive', cancelled: cancelled as { seq: number; fence: number }[] };
}

async function loop(): Promise<void> {
  if (stopped) return;
  let nextMs = leaseMs / 3;
  try {
    const message = await beat();
    parentPort?.postMessage(message);
    if (message.kind === 'lost') return;
  } catch (error) {
    const reason = (error as Error).message;
    parentPort?.postMessage({ kind: 'failed', reason, isFileBroken: isFileBroken(db, error) } satisfies BeatMessage);
    nextMs = leaseMs / 12;
  }
  // A third of the lease: two beats may be late or lost before anybody may think that this worker is dead.
  if (!stopped) timer = setTimeout(() => void loop(), nextMs);
}

// At once: starting this thread has taken its share of the lease.
void loop();

parentPort?.once('message', () => {
  stopped = true;
  clearTimeout(timer);
  void db.close();
});
