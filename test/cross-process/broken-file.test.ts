import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readElsewhere } from '../database-processes/start.ts';
import { type ApiUser, registerOver } from '../harness/api-user.ts';
import {
  canFreeze,
  canLimitFiles,
  canMount,
  damagedPages,
  deletedFile,
  type Fault,
  foreignly,
  fullDisk,
  limitedFiles,
  mountSmallDisk,
  readOnlyFiles,
} from '../harness/broken-disk.ts';
import { auditExecutions, EXECUTION_LOG } from '../harness/execution-log.ts';
import { startServer, type TestServer } from '../harness/server.ts';
import { waitUntil } from '../harness/wait-until.ts';

// Whatever happens to the file: nothing is accepted that will not be there, everything that was accepted is done once the
// file is mended, and everybody hears of it: the client by 503, the operator by the log and a worker that has died.

const DISK_MEGABYTES = 24;
/** Code of `unreachable`, in docs/operations.md. */
const DATABASE_FAILED = 3;

interface World {
  server: TestServer;
  author: ApiUser;
  path: string;
  /** Ids of the jobs that the API has answered 202 for. */
  accepted: string[];
}

interface Case {
  name: string;
  isPossible: boolean;
  fault(at: World): Fault;
  /** On a disk of its own, so that it can be full. */
  onSmallDisk?: boolean;
  /** The processes have to be stopped for it to be mended. */
  mendedAtRest?: boolean;
  /** It shows to those only who have to read the pages again. */
  beginsIdle?: boolean;
}

const CASES: Case[] = [
  {
    name: 'a full disk',
    isPossible: canMount,
    onSmallDisk: true,
    fault: ({ path }) => fullDisk(join(path, '..')),
  },
  {
    name: 'files that may not grow',
    isPossible: canLimitFiles,
    fault: ({ path, server }) => limitedFiles(path, () => server.pid),
  },
  { name: 'files that are read-only', isPossible: canFreeze(tmpdir()), fault: ({ path }) => readOnlyFiles(path) },
  { name: 'a file that is deleted', isPossible: true, mendedAtRest: true, fault: ({ path }) => deletedFile(path) },
  {
    name: 'a write-ahead log that is deleted',
    isPossible: true,
    mendedAtRest: true,
    fault: ({ path }) => deletedFile(`${path}-wal`),
  },
  {
    name: 'damaged pages',
    isPossible: true,
    mendedAtRest: true,
    beginsIdle: true,
    fault: ({ path }) => damagedPages(path, ['jobs', 'jobs_ready']),
  },
];

async function makeDirectory(onSmallDisk: boolean): Promise<string> {
  if (onSmallDisk) {
    const { directory, unmount } = await mountSmallDisk(DISK_MEGABYTES);
    onTestFinished(unmount);
    return directory;
  }
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-broken-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

async function start(dataDir: string, path: string): Promise<TestServer> {
  const env = { DATABASE_URL: path, JOB_LEASE_MS: '5000' };
  const server = await startServer({ dataDir, keepData: true, env });
  onTestFinished(() => server.stop());
  return server;
}

/** Sends texts until the API refuses one, and answers why it did. */
function refusal({ author, accepted }: World): Promise<{ status: number; code: string }> {
  return waitUntil(async () => {
    const { status, body } = await author.request('POST', '/ingest/text', { text: `Text ${accepted.length}.` });
    if (status !== 202) return { status, code: body.code as string };
    accepted.push(body.job_id);
    return null;
  }, 'a refusal');
}

async function send({ author, accepted }: World, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { body } = await author.request('POST', '/ingest/text', { text: `Text ${accepted.length}.` });
    accepted.push(body.job_id);
  }
}

describe.each(CASES)('9: $name', ({ isPossible, fault: makeFault, onSmallDisk, mendedAtRest, beginsIdle }) => {
  test.skipIf(!isPossible)(
    'is met with 503 and a dead worker, and loses nothing that was accepted',
    async () => {
      const dataDir = await makeDirectory(false);
      const path = join(onSmallDisk ? await makeDirectory(true) : dataDir, 'jobs.db');
      let server = await start(dataDir, path);
      foreignly(path, (connection) => connection.exec(EXECUTION_LOG.join(';')));
      const author = await registerOver(() => server.url, 'author@example.org');
      const at: World = { server, author, path, accepted: [] };
      await send(at, 5);
      if (beginsIdle) for (const id of at.accepted) await author.finished(id);

      const fault = makeFault(at);
      let isMended = false;
      // Otherwise a test that fails would leave what nobody can remove.
      onTestFinished(async () => {
        if (!isMended) await fault.mend();
      });
      const died = server.next('up.child_died');
      await fault.cause();

      expect(await refusal(at)).toEqual({ status: 503, code: 'database_unavailable' });
      expect(await died).toMatchObject({ child: 'worker', code: DATABASE_FAILED });
      expect(server.log.some((line) => line.event === 'http.request_failed' && line.level === 'error')).toBe(true);
      expect(server.log.some((line) => line.event === 'worker.database_failed' && line.level === 'error')).toBe(true);

      if (mendedAtRest) await server.stop();
      await fault.mend();
      isMended = true;
      if (mendedAtRest) server = await start(dataDir, path);
      for (const id of at.accepted)
        expect(await author.finished(id)).toMatchObject({ status: 'completed', error: null });
      const seen = (text: string) => readElsewhere(path, text);
      expect(await seen('SELECT count(*) AS n FROM documents')).toEqual([{ n: at.accepted.length }]);
      await auditExecutions(seen);
    },
    120_000,
  );
});
