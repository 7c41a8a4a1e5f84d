import { siblingModule } from '../base/source-file.ts';
import type { Output } from '../cli/output.ts';
import type { Config } from '../config/config.ts';
import { AppError } from '../errors/app-error.ts';
import type { JobHandler } from '../jobs/index.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type PrometheusMetrics, renderMetrics } from '../telemetry/prometheus.ts';
import { serveMetrics } from '../telemetry/serve-metrics.ts';
import { BUILT_IN_SCHEDULES } from '../worker/maintenance.ts';
import { Scheduler } from '../worker/scheduler.ts';
import { startWorker } from '../worker/start-worker.ts';
import { openJobPlatform } from './job-platform.ts';
import { createMetrics, metricsAccessOf } from './metrics.ts';
import { answerSupervisor } from './metrics-exchange.ts';
import { tellParent, untilStopped } from './on-stop.ts';
import { runProcess } from './run-process.ts';

interface WorkerOptions {
  queues?: string;
  types?: string;
  concurrency?: string;
}

/** One worker process: claims jobs until it is told to stop. */
async function main({ isJson }: Output, options: WorkerOptions): Promise<void> {
  const serves = readOptions(options);
  const { config, log, databaseOptions, runs, metrics, close } = await openJobPlatform({ isJson }, createMetrics);
  const { shutdownGraceMs: graceMs } = config;
  const concurrency = serves.concurrency ?? config.workerConcurrency;
  if (metrics !== null) await exposeMetrics(config, log, metrics);
  const stuck = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  const worker = await startWorker({
    ...runs,
    handlers: servedBy(runs.handlers, serves.types),
    database: databaseOptions,
    leaseMs: config.jobLeaseMs,
    queues: serves.queues,
    concurrency,
    hosts: { entry: siblingModule(import.meta.url, './job-host'), memoryMb: config.jobMemoryMb },
    onStuck: stuck.resolve,
    onDatabaseFailed: failed.reject,
  });
  const scheduler = new Scheduler({ db: runs.db, log, schedules: BUILT_IN_SCHEDULES });
  scheduler.start();
  // Before anybody is told that this process is ready, and may be told to stop in return. A stuck handler ends with its
  // process, which the supervisor replaces; what else is running gets the usual time to finish.
  const stopped = untilStopped(
    async () => {
      log.info({ event: 'worker.stopping' }, 'worker stopping');
      setTimeout(() => {
        log.error({ event: 'worker.stop_overdue' }, 'not everything could be given back in time; others rescue it');
        process.exit(1);
      }, graceMs);
      await Promise.all([scheduler.stop(), worker.stop(graceMs)]);
      await close();
    },
    { early: stuck.promise },
  );
  log.info({ event: 'worker.ready', worker_id: worker.lease.workerId, concurrency }, 'worker ready');
  tellParent({ kind: 'ready' });
  await Promise.race([stopped, failed.promise]);
  log.info({ event: 'worker.stopped' }, 'worker stopped');
}

/** Under `up` the API serves them; a worker alone does so itself where it is given a port. */
async function exposeMetrics(config: Config, log: Logger, metrics: PrometheusMetrics): Promise<void> {
  answerSupervisor(metrics);
  if (config.workerMetricsPort === null || process.connected === true) return;
  const { host, workerMetricsPort: port } = config;
  await serveMetrics({
    host,
    port,
    access: metricsAccessOf(config),
    log,
    render: async (format) => renderMetrics([{ process: 'worker', metrics: await metrics.snapshot() }], format),
  });
  log.info({ event: 'worker.metrics_listening', port }, `metrics at http://${host}:${port}/metrics`);
}

function readOptions({ queues, types, concurrency }: WorkerOptions) {
  const jobs = concurrency === undefined ? null : Number(concurrency);
  if (jobs !== null && !(Number.isInteger(jobs) && jobs >= 1 && jobs <= 64)) {
    throw new AppError('config_invalid', '--concurrency must be a number from 1 to 64.');
  }
  return { queues: listOf('--queues', queues), types: listOf('--types', types), concurrency: jobs };
}

function listOf(option: string, text: string | undefined): string[] | null {
  if (text === undefined) return null;
  const words = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
  if (words.length === 0) throw new AppError('config_invalid', `Name at least one after ${option}.`);
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

await runProcess({
  name: 'worker',
  description: 'Runs one worker process until it is told to stop, on a database that is migrated.',
  options: [
    ['--queues <names>', 'queues it serves, comma-separated (default: all)'],
    ['--types <names>', 'types of jobs it runs, comma-separated (default: all)'],
    ['--concurrency <n>', 'jobs at a time (default: WORKER_CONCURRENCY)'],
  ],
  main,
});
