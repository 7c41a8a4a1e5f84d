import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { jobSubject } from '../access/index.ts';
import type { Output } from '../cli/output.ts';
import { assertSchemaCurrent } from '../db/migrate.ts';
import { createEmbeddingModel } from '../providers/index.ts';
import { createHandlers } from '../worker/handlers.ts';
import { JobRunner } from '../worker/job-runner.ts';
import { Lease } from '../worker/lease.ts';
import { WakeUp } from '../worker/wake-up.ts';
import { embeddingSettings } from './models.ts';
import { tellParent, untilStopped } from './on-stop.ts';
import { MIGRATIONS_DIRECTORY, openPlatform } from './platform.ts';
import { runProcess } from './run-process.ts';

/** One worker process: claims jobs until it is told to stop. */
async function main({ isJson }: Output): Promise<void> {
  const { config, log, db, databaseOptions, storage } = await openPlatform('worker', { isJson });
  await assertSchemaCurrent(db, MIGRATIONS_DIRECTORY);
  const temporaryDirectory = join(config.dataDir, 'tmp');
  await mkdir(temporaryDirectory, { recursive: true, mode: 0o700 });
  // One try per call: the queue tries again, and without holding a slot meanwhile.
  const embeddingModel = createEmbeddingModel(embeddingSettings(config), { maxAttempts: 1 });
  const lease = new Lease({ db, database: databaseOptions, leaseMs: config.jobLeaseMs, log });
  const runner = new JobRunner({
    db,
    log,
    lease,
    wakeUp: new WakeUp(db),
    handlers: createHandlers({ db, storage, embeddingModel, temporaryDirectory }, config),
    resolveSubject: (job) => jobSubject({ db }, job),
    concurrency: config.workerConcurrency,
    jobTimeoutMs: config.jobTimeoutMs,
  });
  await lease.start();
  runner.start();
  log.info({ event: 'worker.ready', worker_id: lease.workerId, concurrency: config.workerConcurrency }, 'worker ready');
  tellParent({ kind: 'ready' });

  await untilStopped(async () => {
    log.info({ event: 'worker.stopping' }, 'worker stopping');
    await runner.stop(config.shutdownGraceMs * 0.8);
    await lease.stop();
    await embeddingModel?.close();
    await db.close();
  });
  log.info({ event: 'worker.stopped' }, 'worker stopped');
}

await runProcess({
  name: 'worker',
  description: 'Runs one worker process until it is told to stop, on a database that is migrated.',
  main,
});
