import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { jobSubject } from '../access/index.ts';
import { assertSchemaCurrent } from '../db/migrate.ts';
import { AppError } from '../errors/app-error.ts';
import type { JobHandler } from '../jobs/index.ts';
import { createEmbeddingModel } from '../providers/index.ts';
import { createHandlers } from '../worker/handlers.ts';
import { JobRunner } from '../worker/job-runner.ts';
import { Lease } from '../worker/lease.ts';
import { BUILT_IN_SCHEDULES } from '../worker/maintenance.ts';
import { Scheduler } from '../worker/scheduler.ts';
import { WakeUp } from '../worker/wake-up.ts';
import { embeddingSettings } from './models.ts';
import { tellParent, untilStopped } from './on-stop.ts';
import { MIGRATIONS_DIRECTORY, openPlatform, runProcess } from './platform.ts';

/** A handler that goes on this long after it was told to stop is left behind with its process. */
const ABORT_GRACE_MS = 10_000;

/** One worker process: claims jobs until it is told to stop. */
async function main(): Promise<void> {
  const { config, log, db, databaseOptions, storage } = await openPlatform('worker');
  await assertSchemaCurrent(db, MIGRATIONS_DIRECTORY);
  const temporaryDirectory = join(config.dataDir, 'tmp');
  await mkdir(temporaryDirectory, { recursive: true, mode: 0o700 });
  // One try per call: the queue tries again, and without holding a slot meanwhile.
  const embeddingModel = createEmbeddingModel(embeddingSettings(config), { maxAttempts: 1 });
  const { queues, types, concurrency } = readOptions();
  const handlers = servedBy(createHandlers({ db, storage, embeddingModel, temporaryDirectory }, config), types);
  const serves = { queues, jobTypes: [...handlers.keys()] };
  const lease = new Lease({ db, database: databaseOptions, leaseMs: config.jobLeaseMs, log, ...serves });
  const runner = new JobRunner({
    db,
    log,
    lease,
    wakeUp: new WakeUp(db),
    handlers,
    queues,
    resolveSubject: (job) => jobSubject({ db }, job),
    concurrency: concurrency ?? config.workerConcurrency,
    jobTimeoutMs: config.jobTimeoutMs,
    abortGraceMs: ABORT_GRACE_MS,
    // The supervisor starts a fresh process; what else is running gets the usual time to finish.
    onStuck: () => process.kill(process.pid, 'SIGTERM'),
  });
  const scheduler = new Scheduler({ db, log, schedules: BUILT_IN_SCHEDULES });
  await lease.start();
  runner.start();
  scheduler.start();
  log.info({ event: 'worker.ready', worker_id: lease.workerId, concurrency: config.workerConcurrency }, 'worker ready');
  tellParent({ kind: 'ready' });

  await untilStopped(async () => {
    log.info({ event: 'worker.stopping' }, 'worker stopping');
    await scheduler.stop();
    await runner.stop(config.shutdownGraceMs * 0.8);
    await lease.stop();
    await embeddingModel?.close();
    await db.close();
  });
  log.info({ event: 'worker.stopped' }, 'worker stopped');
  process.exit(0);
}

function readOptions(): { queues: string[] | null; types: string[] | null; concurrency: number | null } {
  const options = { queues: { type: 'string' }, types: { type: 'string' }, concurrency: { type: 'string' } } as const;
  const usage = 'Usage: anyrag worker [--queues A,B] [--types A,B] [--concurrency N]';
  try {
    const { values } = parseArgs({ args: process.argv.slice(2), options });
    const concurrency = values.concurrency === undefined ? null : Number(values.concurrency);
    if (concurrency !== null && !(Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= 64)) {
      throw new Error('--concurrency must be a number from 1 to 64.');
    }
    return { queues: listOf(values.queues), types: listOf(values.types), concurrency };
  } catch (error) {
    throw new AppError('config_invalid', `${(error as Error).message} ${usage}`);
  }
}

function listOf(text: string | undefined): string[] | null {
  return text === undefined
    ? null
    : text
        .split(',')
        .map((word) => word.trim())
        .filter((word) => word !== '');
}

function servedBy(all: ReadonlyMap<string, JobHandler>, types: string[] | null): ReadonlyMap<string, JobHandler> {
  if (types === null) return all;
  const unknown = types.filter((type) => !all.has(type));
  if (unknown.length > 0) {
    throw new AppError(
      'config_invalid',
      `No such job type: ${unknown.join(', ')}. There are: ${[...all.keys()].join(', ')}.`,
    );
  }
  return new Map([...all].filter(([type]) => types.includes(type)));
}

await runProcess(main);
