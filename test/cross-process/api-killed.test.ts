import { randomUUID } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, onTestFinished, test } from 'vitest';
import { readElsewhere, startProcess } from '../database-processes/start.ts';
import { type ApiUser, registerOver } from '../harness/api-user.ts';
import { auditExecutions, EXECUTION_LOG } from '../harness/execution-log.ts';
import { startServer, type TestServer } from '../harness/server.ts';
import { waitUntil } from '../harness/wait-until.ts';

// A client that got no answer asks again with the same Idempotency-Key. Whatever moment the API was killed at, there is one
// job in the end.

const PRELOAD = new URL('./kill-before-answer.ts', import.meta.url).href;
/** A transaction of the product takes milliseconds: a lock that is held for longer is the one that never ends. */
const SURELY_STUCK_MS = 1_000;

interface World {
  server: TestServer;
  path: string;
  author: ApiUser;
  jobs(): Promise<Record<string, unknown>[]>;
}

async function world(env: Record<string, string> = {}): Promise<World> {
  const server = await startServer({ env });
  onTestFinished(() => server.stop());
  const path = join(server.dataDir, 'anyrag.db');
  foreign(path, EXECUTION_LOG.join(';'));
  const author = await registerOver(() => server.url, 'author@example.org');
  return {
    server,
    path,
    author,
    jobs: () => readElsewhere(path, `SELECT job_id, status FROM jobs WHERE job_type = 'ingest'`),
  };
}

/** Statements of a connection that has nothing to do with the product. */
function foreign(path: string, text: string): void {
  const connection = new DatabaseSync(path, { timeout: 10_000 });
  connection.exec(text);
  connection.close();
}

/** Whether somebody has been holding the write lock for too long to ever come to its end. */
function isWriterStuck(path: string): boolean {
  const connection = new DatabaseSync(path, { timeout: SURELY_STUCK_MS });
  try {
    connection.exec('BEGIN IMMEDIATE; ROLLBACK');
    return false;
  } catch {
    return true;
  } finally {
    connection.close();
  }
}

/** Null when the connection broke before there was an answer, or nobody listens. */
async function send({ author }: World, key: string): Promise<{ status: number; jobId: string } | null> {
  const text = 'A text that must be there exactly once.';
  try {
    const { status, body } = await author.request('POST', '/ingest/text', { text }, { 'idempotency-key': key });
    return { status, jobId: body.job_id };
  } catch {
    return null;
  }
}

async function isStored({ server }: World): Promise<boolean> {
  const files = await readdir(join(server.dataDir, 'files'), { recursive: true });
  return files.some((name) => /^[0-9a-f]{2}\/./.test(name));
}

/** Asks again until the API is back, twice: a client may not know that it was answered. */
async function retry(at: World, key: string): Promise<string> {
  const answer = await waitUntil(() => send(at, key), 'an answer');
  const again = await send(at, key);
  expect([answer.status, again?.status]).toEqual([202, 202]);
  expect(again?.jobId).toBe(answer.jobId);
  return answer.jobId;
}

/** One job, one document, one answer, and the job is done. */
async function expectOne(at: World, jobId: string): Promise<void> {
  expect((await at.author.finished(jobId)).status).toBe('completed');
  expect(await at.jobs()).toEqual([{ job_id: jobId, status: 'completed' }]);
  expect(await readElsewhere(at.path, 'SELECT count(*) AS n FROM documents')).toEqual([{ n: 1 }]);
  expect(await readElsewhere(at.path, 'SELECT count(*) AS n FROM idempotency_keys')).toEqual([{ n: 1 }]);
  await auditExecutions((text) => readElsewhere(at.path, text));
}

describe('3: an API process that is killed', () => {
  test('while it waits for the write lock has added no job, and exactly one after a retry', async () => {
    const at = await world();
    const holder = startProcess('hold-lock.ts', at.path);
    onTestFinished(() => holder.kill());
    await holder.printed('locked');
    const key = randomUUID();
    const answer = send(at, key);
    // The upload is stored before its rows are written, so a file says that the request has come as far as the lock.
    await waitUntil(() => isStored(at), 'the stored text');

    at.server.kill('api');

    expect(await answer).toBeNull();
    holder.child.stdin.end();
    await holder.output();
    expect(await at.jobs()).toEqual([]);
    await expectOne(at, await retry(at, key));
  });

  test('between INSERT and COMMIT has added no job, and exactly one after a retry', async () => {
    const at = await world();
    // The insertion of a job never comes to its end: the rows are there, for nobody else, and are not committed.
    foreign(
      at.path,
      `CREATE VIEW endless AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n;
      CREATE TRIGGER stuck AFTER INSERT ON jobs WHEN new.job_type = 'ingest' BEGIN SELECT count(*) FROM endless; END`,
    );
    const key = randomUUID();
    const answer = send(at, key);
    await waitUntil(() => isWriterStuck(at.path), 'the endless transaction');

    const listening = at.server.next('api.listening');
    at.server.kill('api');

    expect(await answer).toBeNull();
    expect(await at.jobs()).toEqual([]);
    foreign(at.path, 'DROP TRIGGER stuck; DROP VIEW endless');
    await listening;
    await expectOne(at, await retry(at, key));
  });

  test('between COMMIT and the 202 has added one job, which a retry finds', async () => {
    const at = await world({ NODE_OPTIONS: `--import=${PRELOAD}`, KILL_BEFORE_ANSWER: 'armed' });
    await writeFile(join(at.server.dataDir, 'armed'), '');
    const key = randomUUID();
    const listening = at.server.next('api.listening');

    expect(await send(at, key)).toBeNull();

    const [job, ...others] = await at.jobs();
    expect(others).toEqual([]);
    await listening;
    const jobId = await retry(at, key);
    expect(jobId).toBe(job!.job_id);
    await expectOne(at, jobId);
  });
});
