import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type HranaServer, type HranaServerOptions, startHranaServer } from '../../test/hrana-server/server.ts';
import type { Database } from './database.ts';
import { openRemoteDatabase, type RemoteDatabaseOptions } from './remote-database.ts';
import { sql } from './sql.ts';

let directory: string;
const servers: HranaServer[] = [];
const opened: Database[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anyrag-db-'));
});
afterEach(async () => {
  for (const database of opened.splice(0)) await database.close();
  for (const server of servers.splice(0)) await server.close();
  await rm(directory, { recursive: true });
});

async function startServer(options: Partial<HranaServerOptions> = {}): Promise<HranaServer> {
  const server = await startHranaServer({ path: join(directory, 'test.db'), ...options });
  servers.push(server);
  return server;
}

async function open(url: string, options: Partial<RemoteDatabaseOptions> = {}): Promise<Database> {
  const database = await openRemoteDatabase({ url, readRetryPausesMs: [1, 1, 1], ...options });
  opened.push(database);
  return database;
}

async function openWithTable(): Promise<{ server: HranaServer; database: Database }> {
  const server = await startServer();
  const database = await open(server.url);
  await database.batch([sql`CREATE TABLE t (id INTEGER PRIMARY KEY)`]);
  return { server, database };
}

async function ids(database: Database): Promise<unknown[]> {
  return (await database.query(sql`SELECT id FROM t ORDER BY id`)).map((row) => row.id);
}

/** A client that leaves a transaction open on the server, as no part of the product does. */
async function holdWriteLock(server: HranaServer): Promise<{ release(): Promise<void> }> {
  const send = async (baton: string | null, statement: string) => {
    const requests = [{ type: 'execute', stmt: { sql: statement } }];
    const response = await fetch(`${server.url}/v2/pipeline`, {
      method: 'POST',
      body: JSON.stringify({ baton, requests }),
    });
    return (await response.json()) as { baton: string };
  };
  const { baton } = await send(null, 'BEGIN IMMEDIATE');
  return {
    release: async () => {
      await send(baton, 'COMMIT');
    },
  };
}

describe('opening', () => {
  test.each(['file:test.db', 'test.db', 'ftp://127.0.0.1/db', 'wss://127.0.0.1', 'https://['])(
    'refuses %s with config_invalid',
    async (url) => {
      await expect(open(url)).rejects.toMatchObject({ code: 'config_invalid' });
    },
  );

  test('with a wrong token fails with database_unavailable and says so', async () => {
    const server = await startServer({ token: 'right' });
    await expect(open(server.url, { authToken: 'wrong' })).rejects.toMatchObject({
      code: 'database_unavailable',
      detail: 'The database server refused the token.',
    });
  });

  test('refuses a server that does not enforce foreign keys', async () => {
    const server = await startServer({ foreignKeys: false });
    await expect(open(server.url)).rejects.toMatchObject({ code: 'config_invalid', detail: /foreign keys/ });
  });

  test('where nobody listens fails with database_unavailable', async () => {
    const server = await startServer();
    await server.close();
    await expect(open(server.url)).rejects.toMatchObject({ code: 'database_unavailable' });
  });
});

describe('a read', () => {
  test.each([
    { kind: 'status', status: 502 },
    { kind: 'status', status: 429 },
    { kind: 'drop_before' },
    { kind: 'drop_answer' },
    { kind: 'garbage' },
  ] as const)('succeeds after %o', async (fault) => {
    const { server, database } = await openWithTable();
    server.faults.next(fault, fault);
    expect(await ids(database)).toEqual([]);
    expect(server.faults.left).toBe(0);
  });

  test('that fails again and again ends with database_unavailable', async () => {
    const { server, database } = await openWithTable();
    server.faults.next(...Array.from({ length: 4 }, () => ({ kind: 'status', status: 503 }) as const));
    await expect(ids(database)).rejects.toMatchObject({ code: 'database_unavailable', retryable: true });
    expect(await ids(database)).toEqual([]);
  });

  test('that the server refuses is not asked again', async () => {
    const { server, database } = await openWithTable();
    server.faults.next({ kind: 'status', status: 403 }, { kind: 'status', status: 502 });
    await expect(ids(database)).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(server.faults.left).toBe(1);
  });

  test('whose answer does not come in time fails', async () => {
    const server = await startServer();
    const database = await open(server.url, { requestTimeoutMs: 50 });
    const never = new Promise(() => {});
    server.faults.next(...Array.from({ length: 4 }, () => ({ kind: 'delay', until: never }) as const));
    await expect(database.query(sql`SELECT 1`)).rejects.toMatchObject({ code: 'database_unavailable' });
  });

  test('works again once the server is back', async () => {
    const { server, database } = await openWithTable();
    await server.close();
    const restarted = await startServer({ port: Number(new URL(server.url).port) });
    expect(restarted.url).toBe(server.url);
    expect(await ids(database)).toEqual([]);
  });
});

describe('a batch', () => {
  test('whose answer is lost fails, is not sent again, and was done as a whole', async () => {
    const { server, database } = await openWithTable();
    server.faults.next({ kind: 'drop_answer' }, { kind: 'status', status: 502 });
    const batch = database.batch([sql`INSERT INTO t VALUES (1)`, sql`INSERT INTO t VALUES (2)`]);
    await expect(batch).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(server.faults.left).toBe(1);
    expect(await ids(database)).toEqual([1, 2]);
  });

  test('that breaks with its answer lost leaves nothing', async () => {
    const { server, database } = await openWithTable();
    server.faults.next({ kind: 'drop_answer' });
    const batch = database.batch([sql`INSERT INTO t VALUES (1)`, sql`INSERT INTO t VALUES (1)`]);
    await expect(batch).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await ids(database)).toEqual([]);
  });

  test('that did not reach the server fails and left nothing', async () => {
    const { server, database } = await openWithTable();
    server.faults.next({ kind: 'drop_before' });
    await expect(database.batch([sql`INSERT INTO t VALUES (1)`])).rejects.toMatchObject({
      code: 'database_unavailable',
    });
    expect(await ids(database)).toEqual([]);
    await database.batch([sql`INSERT INTO t VALUES (2)`]);
    expect(await ids(database)).toEqual([2]);
  });

  test('that a proxy sends twice reports what the second run met', async () => {
    const { server, database } = await openWithTable();
    server.faults.next({ kind: 'duplicate' });
    await expect(database.batch([sql`INSERT INTO t VALUES (1)`])).rejects.toMatchObject({ kind: 'unique' });
    expect(await ids(database)).toEqual([1]);
  });

  test('waits for the write lock of another client', async () => {
    const { server, database } = await openWithTable();
    const holder = await holdWriteLock(server);
    let isWaiting = true;
    const batch = database.batch([sql`INSERT INTO t VALUES (1)`]).finally(() => {
      isWaiting = false;
    });
    for (let turn = 0; turn < 200; turn += 1) await nextTurn();
    expect(isWaiting).toBe(true);
    await holder.release();
    await batch;
    expect(await ids(database)).toEqual([1]);
  });

  test('that waits too long for the write lock fails with database_busy', async () => {
    const { server } = await openWithTable();
    const database = await open(server.url, { busyTimeoutMs: 30 });
    const holder = await holdWriteLock(server);
    await expect(database.batch([sql`INSERT INTO t VALUES (1)`])).rejects.toMatchObject({ code: 'database_busy' });
    await holder.release();
    expect(await ids(database)).toEqual([]);
  });
});

test('what only a file can do is refused', async () => {
  const { database } = await openWithTable();
  expect(database.path).toBeNull();
  expect(await database.dataVersion()).toBeNull();
  await expect(database.copyTo(join(directory, 'copy.db'))).rejects.toMatchObject({ code: 'database_unavailable' });
});
