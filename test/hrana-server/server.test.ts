import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { waitUntil } from '../harness/wait-until.ts';
import type { Condition, HranaValue, StatementResult, StreamRequest, StreamResult } from './protocol.ts';
import {
  type HranaServer,
  type HranaServerOptions,
  STREAM_EXPIRY_MS,
  startHranaServer,
  TRANSACTION_TIMEOUT_MS,
} from './server.ts';

let directory: string;
const servers: HranaServer[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anyrag-hrana-'));
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  await rm(directory, { recursive: true });
});

async function start(options: Partial<HranaServerOptions> = {}): Promise<HranaServer> {
  const server = await startHranaServer({ path: join(directory, 'test.db'), ...options });
  servers.push(server);
  return server;
}

interface Reply {
  readonly status: number;
  readonly baton: string | null;
  readonly results: StreamResult[];
  readonly code?: string;
}

async function send(
  server: HranaServer,
  requests: StreamRequest[],
  { baton = null as string | null, version = 3, token = '' } = {},
): Promise<Reply> {
  const response = await fetch(`${server.url}/v${version}/pipeline`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ baton, requests }),
  });
  return { status: response.status, ...((await response.json()) as Omit<Reply, 'status'>) };
}

function execute(sql: string, ...args: HranaValue[]): StreamRequest {
  return { type: 'execute', stmt: { sql, args } };
}

async function countRows(server: HranaServer): Promise<number> {
  const { results } = await send(server, [execute('SELECT count(*) FROM t')]);
  const value = resultOf(results[0]).rows[0]?.[0];
  return value?.type === 'integer' ? Number(value.value) : Number.NaN;
}

function resultOf(result: StreamResult | undefined): StatementResult {
  if (result?.type !== 'ok') throw new Error(`The request failed: ${JSON.stringify(result)}`);
  return result.response.result as StatementResult;
}

describe('requests', () => {
  test('values keep their types, with integers as texts and bytes as base64 without padding', async () => {
    const server = await start();
    const values: HranaValue[] = [
      { type: 'null' },
      { type: 'integer', value: '9007199254740993' },
      { type: 'float', value: 1.5 },
      { type: 'text', value: 'ก' },
      { type: 'blob', base64: 'AAH/AA' },
    ];
    const { results } = await send(server, [execute('SELECT ?, ?, ?, ?, ?', ...values)]);
    expect(resultOf(results[0]).rows).toEqual([values]);
  });

  test('execute tells columns, changes and the last rowid', async () => {
    const server = await start();
    const { results } = await send(server, [
      execute('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)'),
      execute("INSERT INTO t (name) VALUES ('a'), ('b') RETURNING id"),
      execute('SELECT id, name FROM t ORDER BY id'),
    ]);
    expect(resultOf(results[1])).toMatchObject({ affected_row_count: 2, last_insert_rowid: '2' });
    expect(resultOf(results[1]).rows).toHaveLength(2);
    expect(resultOf(results[2]).cols).toEqual([
      { name: 'id', decltype: 'INTEGER' },
      { name: 'name', decltype: 'TEXT' },
    ]);
  });

  test('sequence, describe and stored texts work', async () => {
    const server = await start();
    const { results } = await send(server, [
      { type: 'sequence', sql: 'CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)' },
      { type: 'store_sql', sql_id: 7, sql: 'SELECT id FROM t WHERE id > ?' },
      { type: 'execute', stmt: { sql_id: 7, args: [{ type: 'integer', value: '1' }] } },
      { type: 'describe', sql_id: 7 },
      { type: 'close_sql', sql_id: 7 },
      { type: 'execute', stmt: { sql_id: 7 } },
      { type: 'get_autocommit' },
    ]);
    expect(resultOf(results[2]).rows).toEqual([[{ type: 'integer', value: '2' }]]);
    expect(resultOf(results[3])).toMatchObject({ params: [{ name: null }], is_readonly: true, is_explain: false });
    expect(results[5]).toMatchObject({ type: 'error', error: { code: 'SQL_NOT_FOUND' } });
    expect(results[6]).toMatchObject({ response: { is_autocommit: true } });
  });

  test('a failing request does not stop those behind it', async () => {
    const server = await start();
    const { results } = await send(server, [
      execute('SELECT * FROM nowhere'),
      execute('SELECT 1'),
      execute('SELECT 1; SELECT 2'),
    ]);
    expect(results.map((result) => result.type)).toEqual(['error', 'ok', 'error']);
    expect(results[0]).toMatchObject({
      error: { message: 'SQLite error: no such table: nowhere', code: 'SQLITE_UNKNOWN' },
    });
    expect(results[2]).toMatchObject({ error: { code: 'SQL_MANY_STATEMENTS' } });
  });

  test('a batch runs the steps whose conditions hold', async () => {
    const server = await start();
    const ok: Condition = { type: 'ok', step: 0 };
    const failed: Condition = { type: 'error', step: 1 };
    const conditions: [Condition | null, boolean][] = [
      [null, true],
      [ok, true],
      [failed, true],
      [{ type: 'not', cond: ok }, false],
      [{ type: 'and', conds: [ok, failed] }, true],
      [{ type: 'and', conds: [ok, { type: 'ok', step: 1 }] }, false],
      [{ type: 'or', conds: [{ type: 'error', step: 0 }, failed] }, true],
      [{ type: 'or', conds: [] }, false],
      [{ type: 'is_autocommit' }, true],
      // A step that was not run is neither ok nor an error.
      [{ type: 'ok', step: 5 }, false],
      [{ type: 'error', step: 5 }, false],
    ];
    const steps = [
      { stmt: { sql: 'SELECT 0' } },
      { stmt: { sql: 'SELECT * FROM nowhere' } },
      ...conditions.map(([condition]) => ({ stmt: { sql: 'SELECT 1' }, condition })),
    ];
    const { results } = await send(server, [{ type: 'batch', batch: { steps } }]);
    const { step_results: done, step_errors: errors } = resultOf(results[0]) as unknown as Record<string, unknown[]>;
    expect(done?.slice(2).map((result) => result !== null)).toEqual(conditions.map(([, holds]) => holds));
    expect(errors?.map((error) => error !== null)).toEqual(steps.map((_, index) => index === 1));
  });

  test('what only version 3 has is refused in version 2', async () => {
    const server = await start();
    expect(await send(server, [{ type: 'get_autocommit' }], { version: 2 })).toMatchObject({ status: 400 });
    expect(await send(server, [{ type: 'get_autocommit' }], { version: 3 })).toMatchObject({ status: 200 });
  });
});

describe('streams', () => {
  test('a baton continues a transaction, once', async () => {
    const server = await start();
    const first = await send(server, [
      execute('CREATE TABLE t (id INTEGER)'),
      execute('BEGIN'),
      execute('INSERT INTO t VALUES (1)'),
    ]);
    expect(resultOf((await send(server, [execute('SELECT * FROM t')])).results[0]).rows).toEqual([]);
    const second = await send(server, [execute('COMMIT'), { type: 'close' }], { baton: first.baton });
    expect(second).toMatchObject({ status: 200, baton: null });
    expect(resultOf((await send(server, [execute('SELECT * FROM t')])).results[0]).rows).toHaveLength(1);
    expect(await send(server, [execute('SELECT 1')], { baton: first.baton })).toMatchObject({
      status: 400,
      code: 'BATON_INVALID',
    });
  });

  test('an idle stream expires and its transaction is undone', async () => {
    const server = await start({ streamExpiryMs: 0 });
    const { baton } = await send(server, [
      execute('CREATE TABLE t (id INTEGER)'),
      execute('BEGIN'),
      execute('INSERT INTO t VALUES (1)'),
    ]);
    expect(await send(server, [execute('COMMIT')], { baton })).toMatchObject({ status: 400, code: 'STREAM_EXPIRED' });
    expect(resultOf((await send(server, [execute('SELECT * FROM t')])).results[0]).rows).toEqual([]);
  });

  test('a transaction keeps the write lock for its time', async () => {
    const server = await start();
    const { baton } = await send(server, [execute('BEGIN IMMEDIATE')]);
    const { results } = await send(server, [execute('BEGIN IMMEDIATE')]);
    expect(results[0]).toMatchObject({ error: { code: 'SQLITE_BUSY' } });
    expect((await send(server, [execute('COMMIT')], { baton })).results[0]).toMatchObject({ type: 'ok' });
  });

  test('a stream that waits for less than its time goes on, and a server without other settings gives it ten seconds', async () => {
    const server = await start();
    const { baton } = await send(server, [execute('BEGIN')]);
    expect((await send(server, [{ type: 'get_autocommit' }], { baton })).results[0]).toMatchObject({
      response: { is_autocommit: false },
    });
    expect(STREAM_EXPIRY_MS).toBe(10_000);
    expect(TRANSACTION_TIMEOUT_MS).toBe(5_000);
  });

  test('a transaction that is open for too long loses the lock, and is told', async () => {
    const server = await start({ transactionTimeoutMs: 0 });
    const { baton } = await send(server, [
      execute('CREATE TABLE t (id INTEGER)'),
      execute('BEGIN IMMEDIATE'),
      execute('INSERT INTO t VALUES (1)'),
    ]);
    const thief = await send(server, [
      execute('BEGIN IMMEDIATE'),
      execute('INSERT INTO t VALUES (2)'),
      execute('COMMIT'),
    ]);
    expect(thief.results.map((result) => result.type)).toEqual(['ok', 'ok', 'ok']);
    const robbed = await send(server, [execute('INSERT INTO t VALUES (3)')], { baton });
    expect(robbed.results[0]).toMatchObject({ error: { code: 'TRANSACTION_TIMEOUT' } });
    expect(resultOf((await send(server, [execute('SELECT id FROM t')])).results[0]).rows).toEqual([
      [{ type: 'integer', value: '2' }],
    ]);
  });
});

describe('the server', () => {
  test('asks for its token', async () => {
    const server = await start({ token: 'right' });
    expect(await send(server, [execute('SELECT 1')], { token: 'wrong' })).toMatchObject({ status: 401 });
    expect(await send(server, [execute('SELECT 1')], { token: 'right' })).toMatchObject({ status: 200 });
  });

  test.each(['/v2', '/v3', '/health'])('says at %s that it is there', async (path) => {
    const server = await start();
    expect((await fetch(server.url + path)).status).toBe(200);
  });

  test('meets each fault once, in order', async () => {
    const server = await start();
    server.faults.next({ kind: 'status', status: 502 }, { kind: 'drop_before' });
    expect(await send(server, [execute('SELECT 1')])).toMatchObject({ status: 502 });
    await expect(send(server, [execute('SELECT 1')])).rejects.toThrow();
    expect(await send(server, [execute('SELECT 1')])).toMatchObject({ status: 200 });
  });

  test('gives the fault that was meant for certain statements to those alone', async () => {
    const server = await start();
    server.faults.when(/INSERT INTO t/, { kind: 'status', status: 502 });
    expect(await send(server, [execute('CREATE TABLE t (id INTEGER)')])).toMatchObject({ status: 200 });
    expect(await send(server, [execute('INSERT INTO t VALUES (1)')])).toMatchObject({ status: 502 });
    expect(await send(server, [execute('INSERT INTO t VALUES (1)')])).toMatchObject({ status: 200 });
  });

  test('asks for a fault as long as it is told to, with the SQL of the request', async () => {
    const server = await start();
    server.faults.always((text) => (text.includes('1') ? { kind: 'status', status: 502 } : null));
    expect(await send(server, [execute('SELECT 1')])).toMatchObject({ status: 502 });
    expect(await send(server, [execute('SELECT 2')])).toMatchObject({ status: 200 });
    expect(await send(server, [execute('SELECT 1')])).toMatchObject({ status: 502 });
    server.faults.clear();
    expect(await send(server, [execute('SELECT 1')])).toMatchObject({ status: 200 });
  });

  test.each([false, true])(
    'lets a connection stand open without an answer (the request was run: %s)',
    async (isRun) => {
      const server = await start();
      await send(server, [execute('CREATE TABLE t (id INTEGER)')]);
      server.faults.next({ kind: 'half_open', isRun });
      const abort = new AbortController();
      const asked = fetch(`${server.url}/v3/pipeline`, {
        method: 'POST',
        body: JSON.stringify({ baton: null, requests: [execute('INSERT INTO t VALUES (1)')] }),
        signal: abort.signal,
      });
      await waitUntil(() => server.faults.left === 0);
      await waitUntil(async () => (await countRows(server)) === (isRun ? 1 : 0));
      abort.abort();
      await expect(asked).rejects.toThrow();
    },
  );

  test('holds a request back, or its answer, as long as it is told to', async () => {
    const server = await start();
    await send(server, [execute('CREATE TABLE t (id INTEGER)')]);
    const gate = Promise.withResolvers<void>();
    server.faults.next({ kind: 'delay', until: gate.promise }, { kind: 'delay_answer', until: gate.promise });
    const late = send(server, [execute('INSERT INTO t VALUES (1)')]);
    await waitUntil(() => server.faults.left === 1);
    const answeredLate = send(server, [execute('INSERT INTO t VALUES (2)')]);
    await waitUntil(async () => (await countRows(server)) === 1);
    gate.resolve();
    expect(await Promise.all([late, answeredLate])).toMatchObject([{ status: 200 }, { status: 200 }]);
    expect(await countRows(server)).toBe(2);
  });

  test('may stand still in the middle of a batch, whose transaction then loses the lock like any other', async () => {
    const server = await start({ transactionTimeoutMs: 0 });
    await send(server, [execute('CREATE TABLE t (id INTEGER)')]);
    const reached = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const pause = () => {
      reached.resolve();
      return goOn.promise;
    };
    server.faults.next({ kind: 'pause_in_batch', afterSteps: 2, pause });
    const steps = ['BEGIN IMMEDIATE', 'INSERT INTO t VALUES (1)', 'INSERT INTO t VALUES (2)', 'COMMIT'];
    const batch = send(server, [{ type: 'batch', batch: { steps: steps.map((sql) => ({ stmt: { sql } })) } }]);
    await reached.promise;
    await send(server, [execute('BEGIN IMMEDIATE'), execute('INSERT INTO t VALUES (9)'), execute('COMMIT')]);
    goOn.resolve();
    const { step_errors: errors } = resultOf((await batch).results[0]) as unknown as Record<string, unknown[]>;
    expect(errors?.[2]).toMatchObject({ code: 'TRANSACTION_TIMEOUT' });
    // Without conditions on the steps before, what follows would run on its own.
    expect(errors?.[3]).toMatchObject({ code: 'SQLITE_UNKNOWN' });
    expect(await countRows(server)).toBe(1);
  });

  test('may be closed twice', async () => {
    const server = await start();
    await server.close();
    await server.close();
  });
});
