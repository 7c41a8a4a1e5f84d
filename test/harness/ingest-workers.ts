import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Boundary } from '../cross-process/ingest-boundaries.ts';
import type { TestPipeline } from './pipeline.ts';
import { bareEnvironment, followLog } from './server.ts';

const WORKER = join(import.meta.dirname, '../cross-process/ingest-worker-process.ts');
const START_MS = 60_000;

/** Short, so that a dead worker's jobs are soon taken over, and long enough for a busy machine. */
const LEASE_MS = 3_000;

export interface IngestWorkers {
  /** How each has ended so far: its exit code, the signal that killed it, or null while it runs. */
  ends(): (number | NodeJS.Signals | null)[];
  /** Kills those that are left. */
  stop(): Promise<void>;
}

/** Workers in processes of their own on the data of a pipeline; one of them dies at the boundary, if there is one. */
export async function startIngestWorkers(
  { url, directory }: Pick<TestPipeline, 'url' | 'directory'>,
  count: number,
  boundary: Boundary | null,
): Promise<IngestWorkers> {
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['--disable-warning=ExperimentalWarning', WORKER], {
      env: {
        ...bareEnvironment(),
        TEST_DATABASE: url,
        TEST_DIRECTORY: directory,
        TEST_LEASE_MS: String(LEASE_MS),
        ...(boundary === null ? {} : { TEST_BOUNDARY: JSON.stringify(boundary) }),
      },
      // The channel stops it when the tests are killed.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    }),
  );
  const exits = children.map((child) => once(child, 'exit'));
  const workers: IngestWorkers = {
    ends: () => children.map(({ exitCode, signalCode }) => exitCode ?? signalCode),
    async stop() {
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(exits);
    },
  };
  try {
    await Promise.all(children.map((child) => followLog(child).next('worker.ready', START_MS)));
  } catch (error) {
    await workers.stop();
    throw error;
  }
  return workers;
}
