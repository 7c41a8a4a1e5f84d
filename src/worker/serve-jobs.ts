import { dieWithParent } from '../base/parent-watch.ts';
import { AppError } from '../errors/app-error.ts';
import type { Relayed, RelayedMetrics } from '../telemetry/relayed-metrics.ts';
import type { HostReply, HostRequest } from './job-host-protocol.ts';
import { JobRun, type JobRunDependencies } from './job-run.ts';

/**
 * The other side of `JobHost`: runs the jobs that the worker sends, one at a time, and answers what became of them. Each
 * run writes to the database by itself, behind its fence. The process ends when the worker is gone, at once and even while
 * it is busy. `relay` null: nothing is measured.
 */
export function serveJobs(deps: JobRunDependencies, relay: RelayedMetrics | null = null): void {
  let run: JobRun | null = null;
  process.on('message', (request: HostRequest) => {
    if (request.kind === 'abort') return run?.abort(new AppError(request.code, request.detail));
    run = new JobRun(request.job, deps);
    void answerTo(run, relay);
  });
  void reply({ kind: 'ready' });
}

/** To be called first, before anything is opened: a process that starts slowly must not outlive its worker either. */
export function followWorker(): void {
  dieWithParent();
  process.once('disconnect', () => process.exit());
  // Whoever signals a group of processes means its head: the worker lets jobs finish, and ends this one when it is time.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  if (process.connected !== true) process.exit();
}

/** What to make a `RelayedMetrics` with. */
export function relayToWorker(relayed: Relayed[]): void {
  void reply({ kind: 'measured', relayed });
}

async function answerTo(run: JobRun, relay: RelayedMetrics | null): Promise<void> {
  // Told before the handler can do any harm, so that a crash is laid to a job that had begun and to no other.
  await reply({ kind: 'began' });
  const outcome = await run.execute();
  relay?.flush();
  await reply({ kind: 'ended', outcome, isGivenUp: run.isGivenUp });
}

function reply(message: HostReply): Promise<void> {
  return new Promise((resolve) => {
    // A worker that is gone cannot be answered; `disconnect` ends this process.
    process.send?.(message, undefined, undefined, () => resolve());
  });
}
