import { type StartedProcess, startProcess } from '../database-processes/start.ts';

/** A scheduler in a process of its own, on this database. It stops when its standard input ends. */
export function startScheduler(url: string): StartedProcess {
  return startProcess('../schedule-processes/scheduler.ts', url);
}
