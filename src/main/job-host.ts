import { followWorker, serveJobs } from '../worker/serve-jobs.ts';
import { openJobPlatform } from './job-platform.ts';
import { runProcess } from './platform.ts';

/** A process of a worker, in which jobs of isolated types run. Started by the worker only. */
async function main(): Promise<void> {
  followWorker();
  const { runs } = await openJobPlatform();
  serveJobs(runs);
}

await runProcess(main);
