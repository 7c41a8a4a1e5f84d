import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { type OpenDatabaseOptions, openDatabase } from '../db/open-database.ts';
import { endLease, extendLease, selectCancelRequests } from '../jobs/index.ts';
import { createLogger } from '../telemetry/logger.ts';
import { isFileBroken } from './broken-file.ts';
import { Deadline } from './deadline.ts';

export interface HeartbeatStart {
  workerId: string;
  leaseMs: number;
  database: OpenDatabaseOptions;
  /** Memory of the `Deadline` of the runs in this process. */
  deadline: SharedArrayBuffer;
}

export type BeatMessage =
  | { kind: 'alive'; cancelled: { seq: number; fence: number }[] }
  | { kind: 'lost' }
  /** `isFileBroken`: the database is a file, and has failed for good. */
  | { kind: 'failed'; reason: string; isFileBroken: boolean };

const { workerId, leaseMs, database, deadline: memory } = workerData as HeartbeatStart;
const deadline = new Deadline(memory);
const CHECK_EVERY_MS = 1_000;
/** An answer that does not come by then is given up, and another beat sent: one silence must not cost the lease. */
const ANSWER_SHARE = 1 / 6;
const { database: db } = await openDatabase({ ...database, requestTimeoutMs: leaseMs * ANSWER_SHARE });
let stopped = false;
let timer: NodeJS.Timeout | undefined;
let wasPassed = false;
const check = setInterval(() => {
  const isPassed = deadline.isPassed();
  // Twice in a row: after a pause of the whole process the main thread first gets the time to end the run itself.
  if (isPassed && wasPassed) void endProcess();
  wasPassed = isPassed;
}, CHECK_EVERY_MS);

/**
 * A handler has blocked the event loop beyond its timeout: nothing else can stop it, and as long as this thread beat for it,
 * nobody would rescue the jobs. Its last word is that the lease is over; where that cannot be said, the lease runs out.
 */
async function endProcess(): Promise<void> {
  stopped = true;
  clearInterval(check);
  clearTimeout(timer);
  const log = createLogger({ level: 'error', service: 'worker' });
  log.error(
    { event: 'worker.blocked', worker_id: workerId },
    'a job blocks the process beyond its timeout; it is ended',
  );
  const ended = db.batch([endLease(workerId)]).catch((error) => {
    log.error({ event: 'worker.lease_failed', err: error }, 'the lease could not be ended');
  });
  await Promise.race([ended, delay(CHECK_EVERY_MS)]);
  process.kill(process.pid, 'SIGKILL');
}

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
  clearInterval(check);
  clearTimeout(timer);
  void db.close();
});
