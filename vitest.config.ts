import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * What has to hold over the network as it does on a file: the queue, its worker, the processes of its jobs, and the model.
 * Worker processes that are killed have tests of their own there (`test/queue/network.test.ts`).
 */
const ON_BOTH_DRIVERS = [
  'src/jobs/**/*.test.ts',
  'src/worker/**/*.test.ts',
  'test/queue/model.test.ts',
  'test/queue/parents.test.ts',
];

/** Of random histories: a step takes four times as long as on a file. The long run has more. */
const REMOTE_STEPS = process.env.QUEUE_REMOTE_STEPS ?? '500';

export default defineConfig({
  test: {
    environment: 'node',
    pool: 'forks',
    // On two cores vitest would take one worker; most files wait for processes, timers and disks half of their time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A real server has one database, which a test has for itself.
    fileParallelism: process.env.LIBSQL_SERVER_URL === undefined,
    projects: [
      {
        extends: true,
        test: { name: 'file', include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'eval/**/*.test.ts'] },
      },
      {
        extends: true,
        test: { name: 'remote', include: ON_BOTH_DRIVERS, env: { TEST_DRIVER: 'remote', QUEUE_STEPS: REMOTE_STEPS } },
      },
    ],
  },
});
