import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Condition, HranaValue, StatementResult, StreamRequest, StreamResult } from './protocol.ts';
import { type HranaServer, type HranaServerOptions, startHranaServer } from './server.ts';

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

  test('may be closed twice', async () => {
    const server = await start();
    await server.close();
    await server.close();
  });
});
