import { setTimeout as sleep } from 'node:timers/promises';
import type { Payload } from '../contender.ts';
import { Record, serveWorker } from '../recorded-worker.ts';
import { BATCH, openLimit } from './limit.ts';

const record = new Record();
const db = openLimit(process.argv[2]!);
const claim = db.prepare(`UPDATE jobs SET status = 1 WHERE id IN
  (SELECT id FROM jobs INDEXED BY jobs_ready WHERE status = 0 ORDER BY id LIMIT ${BATCH}) RETURNING id, payload`);
const complete = db.prepare('UPDATE jobs SET status = 2 WHERE id IN (SELECT value FROM json_each(?))');
let isStopping = false;

/** Completes what ran and claims the next in one transaction, until nothing is left. */
function drain(): void {
  let done: unknown[] = [];
  do {
    db.exec('BEGIN IMMEDIATE');
    if (done.length > 0) complete.run(JSON.stringify(done));
    const claimed = claim.all();
    db.exec('COMMIT');
    for (const { payload } of claimed) record.note((JSON.parse(String(payload)) as Payload).n);
    done = claimed.map(({ id }) => id);
  } while (done.length > 0);
}

async function run(): Promise<void> {
  while (!isStopping) {
    drain();
    await sleep(5);
  }
}

let running: Promise<void> = Promise.resolve();
serveWorker(
  {
    start() {
      running = run();
    },
    async stop() {
      isStopping = true;
      await running;
      db.close();
    },
  },
  record,
);
