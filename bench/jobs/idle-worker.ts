import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Jobs } from './contender.ts';
import { nowMicros } from './recorded-worker.ts';
import { inScratch } from './scratch.ts';
import { WorkerProcess } from './worker-processes.ts';

/** What starting a process costs is over by then. */
const SETTLE_MS = 1_500;
const MOST_MS = 60_000;

/** Share of one core (0..1) that a worker with nothing to do takes, all its threads together. */
export async function measureIdleCpu(contender: Contender, forMs: number): Promise<number> {
  return withIdleWorker(contender, async (worker) => {
    const before = await worker.cpuMicros();
    const beganAt = nowMicros();
    await sleep(forMs);
    const used = (await worker.cpuMicros()) - before;
    await worker.stop();
    return used / (nowMicros() - beganAt);
  });
}

/**
 * Milliseconds from the call that enqueues a job here until its handler begins in another process that had nothing to do,
 * ascending. Throws when a job was not run exactly once.
 */
export async function measureLatency(contender: Contender, samples: number): Promise<number[]> {
  return withIdleWorker(contender, async (worker, jobs) => {
    const enqueuedAt: number[] = [];
    for (let n = 0; n < samples; n++) {
      // Any phase of the worker's own rhythm is as likely as any other, and each job finds it idle.
      await sleep(30 + Math.random() * 60);
      enqueuedAt.push(nowMicros());
      await jobs.enqueue(n, 1);
    }
    while (await jobs.isAnyOpen()) {
      if (nowMicros() - enqueuedAt.at(-1)! > MOST_MS * 1_000) throw new Error(`${contender.name} leaves jobs undone`);
      await sleep(5);
    }
    const { started } = await worker.stop();
    if (started.length !== samples || new Set(started.map(({ n }) => n)).size !== samples) {
      throw new Error(`${contender.name}: of ${samples} jobs ${started.length} were begun`);
    }
    return started.map(({ n, atMicros }) => (atMicros - enqueuedAt[n]!) / 1_000).toSorted((a, b) => a - b);
  });
}

function withIdleWorker<T>(
  contender: Contender,
  measure: (worker: WorkerProcess, jobs: Jobs) => Promise<T>,
): Promise<T> {
  return inScratch(async (directory) => {
    const path = join(directory, 'jobs.db');
    const jobs = await contender.create(path);
    const worker = await WorkerProcess.open({ module: contender.worker, path });
    try {
      worker.start();
      await sleep(SETTLE_MS);
      return await measure(worker, jobs);
    } finally {
      worker.kill();
      await jobs.close();
    }
  });
}
