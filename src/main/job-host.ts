import { once } from 'node:events';
import type { Output } from '../cli/output.ts';
import { RelayedMetrics } from '../telemetry/relayed-metrics.ts';
import { followWorker, relayToWorker, serveJobs } from '../worker/serve-jobs.ts';
import { openJobPlatform } from './job-platform.ts';
import { runProcess } from './run-process.ts';

/** A process of a worker, in which jobs of isolated types run. Started by the worker only, and ended with it. */
async function main({ isJson }: Output): Promise<void> {
  followWorker();
  const { runs, metrics } = await openJobPlatform({ isJson }, ({ metrics }) =>
    metrics ? new RelayedMetrics(relayToWorker) : null,
  );
  const left = once(process, 'disconnect');
  serveJobs(runs, metrics);
  await left;
}

await runProcess({ name: 'job-host', description: 'Runs jobs for a worker, which starts it.', main });
