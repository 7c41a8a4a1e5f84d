import { Worker } from 'node:worker_threads';
import { siblingModule } from './source-file.ts';

/**
 * Ends this process soon after the one that started it is gone. The watcher is a thread, because code that never yields
 * would also never hear that the channel to the parent is closed.
 */
export function dieWithParent(): void {
  new Worker(siblingModule(import.meta.url, './parent-watch-thread'), {
    workerData: { parentPid: process.ppid },
  }).unref();
}
