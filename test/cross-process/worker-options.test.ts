import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Database } from '../../src/db/database.ts';
import { openFileDatabase } from '../../src/db/file-database.ts';
import { migrate } from '../../src/db/migrate.ts';
import { sql } from '../../src/db/sql.ts';
import { type EnqueueRequest, enqueueJob } from '../../src/jobs/index.ts';
import { bareEnvironment, followLog, LAUNCHER } from '../harness/server.ts';
import { finishedJob, jobById } from '../harness/worker.ts';

const SYSTEM = { ownerId: null, via: 'system', levelCap: 4, groupId: null } as const;
const MIGRATIONS = join(import.meta.dirname, '../../migrations');
const START_MS = 30_000;

let dataDir: string;
let db: Database;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'anyrag-worker-'));
  db = await openFileDatabase({ path: join(dataDir, 'anyrag.db'), durability: 'normal' });
  await migrate(db, MIGRATIONS);
});

afterAll(async () => {
  await db.close();
  await rm(dataDir, { recursive: true, force: true });
});

function spawnWorker(options: string[]) {
  const env = { ...bareEnvironment(), DATA_DIR: dataDir, EMBEDDING_PROVIDER: 'none' };
  return spawn(LAUNCHER, ['worker', ...options], { cwd: dataDir, env, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A worker that is stopped when the test ends. */
async function startWorker(...options: string[]) {
  const child = spawnWorker(options);
  const exited = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGTERM');
    expect((await exited)[0]).toBe(0);
  });
  return followLog(child).next('worker.ready', START_MS);
}

/** How a worker that does not start says why. */
async function refusal(...options: string[]): Promise<{ code: unknown; text: string }> {
  const child = spawnWorker(options);
  let text = '';
  child.stderr.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const [code] = await once(child, 'close');
  return { code, text };
}

async function enqueue(request: Partial<EnqueueRequest> = {}): Promise<string> {
  const job = enqueueJob({ jobType: 'delete_files', payload: { storage_keys: [] }, onBehalfOf: SYSTEM, ...request });
  await db.batch(job.statements);
  return job.jobId;
}

describe('anyrag worker', () => {
  test('--queues serves these queues and leaves the jobs of others alone', async () => {
    const left = await enqueue({ queue: 'slow' });
    const also = await enqueue();
    const taken = await enqueue({ queue: 'mail' });
    const second = await enqueue({ queue: 'fast' });

    await startWorker('--queues', 'mail,fast');

    expect(await finishedJob(db, taken)).toMatchObject({ status: 'completed' });
    expect(await finishedJob(db, second)).toMatchObject({ status: 'completed' });
    for (const id of [left, also]) {
      expect(await jobById(db, id)).toMatchObject({ status: 'pending', reason: 'no_worker', attempts: 0 });
    }
  });

  test('--types serves these types and leaves others alone', async () => {
    const left = await enqueue({ jobType: 'reindex', payload: { document_id: 'none' } });
    const taken = await enqueue();

    await startWorker('--types', 'delete_files');

    expect(await finishedJob(db, taken)).toMatchObject({ status: 'completed' });
    expect(await jobById(db, left)).toMatchObject({ status: 'pending', reason: 'no_worker', attempts: 0 });
  });

  test('--concurrency wins over the setting', async () => {
    expect(await startWorker('--concurrency', '7')).toMatchObject({ concurrency: 7 });
    const [row] = await db.query<{ queues: string | null; n: number }>(
      sql`SELECT queues, json_array_length(job_types) AS n FROM workers WHERE lease_until > unixepoch() * 1000`,
    );
    expect(row).toMatchObject({ queues: null });
    expect(row!.n).toBeGreaterThan(2);
  });

  test.each([
    [['--types', 'ingest,knit'], 'No such job type: knit. There are: ingest, '],
    [['--types', ''], 'Name at least one'],
    [['--queues', ' , '], 'Name at least one'],
    [['--concurrency', '0'], '--concurrency must be a number from 1 to 64'],
    [['--speed', '9'], 'unknown option', 2],
  ])('%j is refused with a sentence', async (options, sentence, exitCode = 78) => {
    const { code, text } = await refusal(...options);

    expect(code).toBe(exitCode);
    expect(text).toContain(sentence);
    expect(text).not.toMatch(/\n\s+at /);
  });
});
