import { defineConfig } from 'vitest/config';

/** What has to hold over the network as it does on a file: the queue, its worker, and real processes of it. */
const ON_BOTH_DRIVERS = [
  'src/jobs/**/*.test.ts',
  'src/worker/**/*.test.ts',
  'test/cross-process/queue-faults.test.ts',
  'test/queue/model.test.ts',
  'test/queue/parents.test.ts',
];

export default defineConfig({
  test: {
    environment: 'node',
    pool: 'forks',
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
        test: { name: 'remote', include: ON_BOTH_DRIVERS, env: { TEST_DRIVER: 'remote' } },
      },
    ],
  },
});
