import { parseArgs } from 'node:util';
import { siblingModule } from '../base/source-file.ts';
import { AppError } from '../errors/app-error.ts';
import type { JobHandler } from '../jobs/index.ts';
import { BUILT_IN_SCHEDULES } from '../worker/maintenance.ts';
import { Scheduler } from '../worker/scheduler.ts';
import { startWorker } from '../worker/start-worker.ts';
import { openJobPlatform } from './job-platform.ts';
import { tellParent, untilStopped } from './on-stop.ts';
import { runProcess } from './platform.ts';

/** One worker process: claims jobs until it is told to stop. */
async function main(): Promise<void> {
  const options = readOptions();
  const { config, log, databaseOptions, runs, close } = await openJobPlatform();
  const { shutdownGraceMs: graceMs } = config;
  const concurrency = options.concurrency ?? config.workerConcurrency;
  const stuck = Promise.withResolvers<void>();
  const worker = await startWorker({
    ...runs,
    handlers: servedBy(runs.handlers, options.types),
    database: databaseOptions,
    leaseMs: config.jobLeaseMs,
    queues: options.queues,
    concurrency,
    hosts: { entry: siblingModule(import.meta.url, './job-host'), memoryMb: config.jobMemoryMb },
    onStuck: stuck.resolve,
  });
  const scheduler = new Scheduler({ db: runs.db, log, schedules: BUILT_IN_SCHEDULES });
  scheduler.start();
  // Before anybody is told that this process is ready, and may be told to stop in return. A stuck handler ends with its
  // process, which the supervisor replaces; what else is running gets the usual time to finish.
  const stopped = untilStopped(async () => {
    log.info({ event: 'worker.stopping' }, 'worker stopping');
    setTimeout(() => {
      log.error({ event: 'worker.stop_overdue' }, 'not everything could be given back in time; others rescue it');
      process.exit(1);
    }, graceMs);
    await Promise.all([scheduler.stop(), worker.stop(graceMs)]);
    await close();
  }, stuck.promise);
  log.info({ event: 'worker.ready', worker_id: worker.lease.workerId, concurrency }, 'worker ready');
  tellParent({ kind: 'ready' });

  await stopped;
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
    return { queues: listOf('--queues', values.queues), types: listOf('--types', values.types), concurrency };
  } catch (error) {
    throw new AppError('config_invalid', `${(error as Error).message} ${usage}`);
  }
}

function listOf(option: string, text: string | undefined): string[] | null {
  if (text === undefined) return null;
  const words = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  if (words.length === 0) throw new Error(`Name at least one after ${option}.`);
  return words;
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
