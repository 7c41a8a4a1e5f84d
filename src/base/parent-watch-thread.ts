import { workerData } from 'node:worker_threads';

/** Kills this process once it is orphaned: the operating system then gives it another parent. */
const { parentPid } = workerData as { parentPid: number };

const CHECK_EVERY_MS = 500;

setInterval(() => {
  if (process.ppid !== parentPid) process.kill(process.pid, 'SIGKILL');
}, CHECK_EVERY_MS);
