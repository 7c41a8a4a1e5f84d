import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contender, Jobs } from './contender.ts';
import { nowMicros, type Started } from './recorded-worker.ts';
import { inScratch } from './scratch.ts';
import { WorkerProcess } from './worker-processes.ts';

export interface ThroughputOptions {
  contenders: readonly Contender[];
  /** Jobs of one measurement. */
  jobs: number;
  rounds: number;
  /** Numbers of worker processes to measure with. */
  processes: readonly number[];
  /** Numbers of finished rows to measure over. */
  finished: readonly number[];
  onCell?: (cell: Cell) => void;
}

/** One contender, measured once. */
export interface Cell {
  contender: string;
  round: number;
  processes: number;
  finished: number;
  jobsPerSecond: number;
  /** Processor time of all worker processes, from start to stop. */
  cpuMicrosPerJob: number;
}

interface Place {
  contender: Contender;
  path: string;
  jobs: Jobs;
}

/** Seldom enough to take little of a core, and little beside a run of a second or more. */
const WATCH_MS = 5;
const MOST_MS = 300_000;

/**
 * Every contender in turn in every round, so that a busy spell of the machine meets all. Throws when a job was not run
 * exactly once. A database is kept from round to round, and grows by the jobs of each.
 */
export function measureThroughput(options: ThroughputOptions): Promise<Cell[]> {
  return inScratch(async (directory) => {
    const cells: Cell[] = [];
    for (const finished of options.finished) cells.push(...(await measureOver(finished, directory, options)));
    return cells;
  });
}

async function measureOver(finished: number, directory: string, options: ThroughputOptions): Promise<Cell[]> {
  const cells: Cell[] = [];
  const places = await Promise.all(options.contenders.map((contender) => createPlace(contender, directory, finished)));
  try {
    for (let round = 1; round <= options.rounds; round++) {
      for (const processes of options.processes) {
        for (const place of places) {
          const measured = await measureOne(place, processes, options.jobs);
          const cell = { contender: place.contender.name, round, processes, finished, ...measured };
          cells.push(cell);
          options.onCell?.(cell);
        }
      }
    }
  } finally {
    for (const { jobs } of places) await jobs.close();
  }
  return cells;
}

async function createPlace(contender: Contender, directory: string, finished: number): Promise<Place> {
  const path = join(directory, `${contender.name}-${finished}.db`);
  const jobs = await contender.create(path);
  if (finished > 0) await jobs.addFinished(finished);
  return { contender, path, jobs };
}

async function measureOne({ contender, path, jobs }: Place, processes: number, count: number) {
  const finishedBefore = await jobs.countFinished();
  await jobs.enqueue(0, count);
  const workers = await Promise.all(
    Array.from({ length: processes }, () => WorkerProcess.open({ module: contender.worker, path })),
  );
  try {
    const cpuBefore = await sumOf(workers, (worker) => worker.cpuMicros());
    const startedAt = nowMicros();
    for (const worker of workers) worker.start();
    while (await jobs.isAnyOpen()) {
      if (nowMicros() - startedAt > MOST_MS * 1_000) throw new Error(`${contender.name} was not done in ${MOST_MS} ms`);
      await sleep(WATCH_MS);
    }
    const tookMicros = nowMicros() - startedAt;
    const cpuAfter = await sumOf(workers, (worker) => worker.cpuMicros());
    const stopped = await Promise.all(workers.map((worker) => worker.stop()));
    assertExactlyOnce(
      contender.name,
      stopped.flatMap(({ started }) => started),
      count,
    );
    if ((await jobs.countFinished()) !== finishedBefore + count)
      throw new Error(`${contender.name}: not every job is finished`);
    return { jobsPerSecond: (count / tookMicros) * 1e6, cpuMicrosPerJob: (cpuAfter - cpuBefore) / count };
  } catch (error) {
    for (const worker of workers) worker.kill();
    throw error;
  }
}

function assertExactlyOnce(contender: string, started: readonly Started[], count: number): void {
  const numbers = new Set(started.map(({ n }) => n));
  if (started.length === count && numbers.size === count) return;
  throw new Error(`${contender}: of ${count} jobs ${numbers.size} ran, in ${started.length} runs`);
}

async function sumOf<T>(values: readonly T[], measure: (value: T) => Promise<number>): Promise<number> {
  const measured = await Promise.all(values.map(measure));
  return measured.reduce((sum, value) => sum + value, 0);
}
