import { request as send } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { closeGracefully } from '../../src/http/close-gracefully.ts';
import { createChatModel } from '../../src/providers/index.ts';
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai-server.ts';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';
import { readEvents, type ServerEvent } from '../harness/events.ts';
import { eventually } from '../harness/eventually.ts';

/** Far beyond the time a test may take, so that what ends was ended. */
const NEVER_MS = 3_600_000;
// The fake sends its answer word by word, and a sentence leaves the server when the next one begins: two without a space
// between them give a first piece that leaves at once.
const TEXT = '水獭睡觉时手牵着手。它们用石头打开贝壳。';
const ANSWER = '水獭睡觉时手牵着手[1]。它们用石头打开贝壳[1]。\n\n它们用石头打开贝壳[1]。';

let provider: FakeOpenAi;
let api: TestApp;
let url: string;
let ada: TestUser;

beforeEach(async () => {
  provider = await startFakeOpenAi({ answer: () => ANSWER });
  const chatModel = createChatModel({
    provider: 'openai',
    url: provider.url,
    model: 'fake',
    apiKey: null,
    timeoutMs: NEVER_MS,
    maxPromptChars: 24_000,
  })!;
  api = await createTestApp({ chatModel });
  url = await api.listen();
  ada = await api.registerUser();
});
afterEach(async () => {
  await api.close();
  await provider.close();
});

function open(
  path: string,
  options: { method?: 'GET' | 'POST'; body?: object; accept?: string; signal?: AbortSignal } = {},
) {
  const { method = 'GET', body, accept, signal } = options;
  return send(`${url}${path}`, {
    method,
    headers: {
      authorization: ada.authorization,
      ...(body && { 'content-type': 'application/json' }),
      ...(accept && { accept }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal,
    headersTimeout: 0,
    bodyTimeout: 0,
  });
}

function ask(options: { stream?: boolean; accept?: string; signal?: AbortSignal } = { stream: true }) {
  const { stream, ...rest } = options;
  return open('/search/knowledge', { method: 'POST', body: { query: '水獭睡觉', ...(stream && { stream }) }, ...rest });
}

async function collect(response: Awaited<ReturnType<typeof send>>): Promise<ServerEvent[]> {
  expect(response.statusCode).toBe(200);
  expect(response.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  expect(response.headers['x-request-id']).toEqual(expect.any(String));
  expect(response.headers.traceparent).toEqual(expect.any(String));
  const events: ServerEvent[] = [];
  for await (const event of readEvents(response.body)) events.push(event);
  return events;
}

async function startText(): Promise<{ job_id: string; document_id: string }> {
  const response = await api.inject({ method: 'POST', url: '/ingest/text', as: ada, payload: { text: TEXT } });
  return response.json();
}

describe('the events of a job', () => {
  test('are its progress, then its end', async () => {
    const { job_id } = await startText();
    const response = await open(`/jobs/${job_id}/events`);
    const [events] = await Promise.all([collect(response), api.runJobs()]);
    expect(events.at(0)).toMatchObject({ event: 'progress', data: { job_id, finished_at: null } });
    expect(events.at(-1)).toMatchObject({ event: 'end', data: { status: 'completed', result: { chunks: 1 } } });
    expect(events.slice(0, -1).every(({ event }) => event === 'progress')).toBe(true);
    const check = api.contract.schemaAt('components', 'schemas', 'Job');
    for (const { data } of events) expect(check(data), JSON.stringify(check.errors)).toBe(true);
  });

  test('of one that has ended are its end alone', async () => {
    const { job_id } = await startText();
    await api.runJobs();
    const events = await collect(await open(`/jobs/${job_id}/events`));
    expect(events.map(({ event }) => event)).toEqual(['end']);
  });

  test('are not those of another', async () => {
    const { job_id } = await startText();
    const grace = await api.registerUser();
    const response = await api.inject({ url: `/jobs/${job_id}/events`, as: grace });
    expect(response.statusCode).toBe(404);
  });

  test.each([
    ['session', (as: TestUser) => api.inject({ method: 'POST', url: '/auth/logout', as })],
    ['user', (as: TestUser) => api.execute(sql`UPDATE users SET status = 'disabled' WHERE user_id = ${as.userId}`)],
    ['key', (as: TestUser) => api.execute(sql`DELETE FROM api_keys WHERE user_id = ${as.userId}`)],
  ])('end with the %s of whoever watches', async (kind, end) => {
    const { job_id } = await startText();
    const watcher = kind === 'key' ? await api.createKey(ada, ['read']) : ada;
    const response = await send(`${url}/jobs/${job_id}/events`, { headers: { authorization: watcher.authorization } });
    const events = readEvents(response.body);
    expect((await events.next()).value).toMatchObject({ event: 'progress' });
    await end(watcher);
    expect((await events.next()).done).toBe(true);
  });

  test('are given to one caller a hundred times at once, and again when some have gone', async () => {
    const { job_id } = await startText();
    const opened = [];
    for (let i = 0; i < 99; i++) opened.push(await open(`/jobs/${job_id}/events`));
    const waiting = open(`/jobs/${job_id}?wait=30`);
    const statusOfOneMore = async () => {
      const { statusCode, headers, body } = await open(`/jobs/${job_id}/events`);
      body.on('error', () => {}).destroy();
      return [statusCode, headers['retry-after']];
    };
    await eventually(async () => expect(await statusOfOneMore()).toEqual([429, '1']));
    expect((await api.inject({ url: `/jobs/${job_id}`, as: ada })).statusCode).toBe(200);

    for (const { body } of opened) body.on('error', () => {}).destroy();
    await eventually(async () => expect(await statusOfOneMore()).toEqual([200, undefined]));
    await api.runJobs();
    expect((await waiting).statusCode).toBe(200);
  });

  test('break off with an error event when the database fails', async () => {
    const { job_id } = await startText();
    const response = await open(`/jobs/${job_id}/events`);
    const events = readEvents(response.body);
    expect((await events.next()).value).toMatchObject({ event: 'progress' });
    await api.db.close();
    expect((await events.next()).value).toMatchObject({
      event: 'error',
      data: { status: 503, code: 'database_unavailable' },
    });
    expect((await events.next()).done).toBe(true);
  });
});

describe('waiting for a job', () => {
  test('ends when the job does', async () => {
    const { job_id } = await startText();
    const [response] = await Promise.all([open(`/jobs/${job_id}?wait=30`), api.runJobs()]);
    expect(await response.body.json()).toMatchObject({ status: 'completed' });
  });

  test('ends when the time is up, with the job as it is', async () => {
    const { job_id } = await startText();
    const response = await open(`/jobs/${job_id}?wait=0.1`);
    expect(await response.body.json()).toMatchObject({ status: 'pending' });
  });

  test('takes no more than half a minute', async () => {
    const { job_id } = await startText();
    for (const wait of ['31', '-1', 'x', 'Infinity', 'NaN']) {
      expect((await api.inject({ url: `/jobs/${job_id}?wait=${wait}`, as: ada })).statusCode).toBe(400);
    }
  });

  test('for one that is not there is a 404 at once', async () => {
    const response = await open('/jobs/unknown?wait=30');
    expect(response.statusCode).toBe(404);
    await response.body.dump();
  });
});

describe('a streamed answer', () => {
  beforeEach(async () => {
    await startText();
    await api.runJobs();
  });

  test('is the results, the pieces, the citations, and the whole', async () => {
    const events = await collect(await ask());
    const kinds = events.map(({ event }) => event);
    expect(kinds[0]).toBe('results');
    expect(kinds.slice(-2)).toEqual(['citations', 'done']);
    expect(kinds.slice(1, -2).length).toBeGreaterThan(1);
    expect(kinds.slice(1, -2).every((kind) => kind === 'delta')).toBe(true);
    const done = events.at(-1)!.data;
    const pieces = events.filter(({ event }) => event === 'delta').map(({ data }) => data.text);
    expect(pieces.join('').trim()).toBe(done.answer);
    expect(done).toMatchObject({ mode: 'llm', answer: expect.stringContaining('[1]') });
    expect(events.at(-2)!.data.citations).toEqual(done.citations);
    const check = api.contract.schemaAt('components', 'schemas', 'Answer');
    expect(check({ ...done, results: events[0]!.data.results }), JSON.stringify(check.errors)).toBe(true);
  });

  test('is what Accept: text/event-stream gives as well', async () => {
    const events = await collect(await ask({ accept: 'application/json;q=0.1, text/event-stream' }));
    expect(events.at(-1)!.event).toBe('done');
  });

  test('says the same as the answer in one piece', async () => {
    const streamed = (await collect(await ask())).at(-1)!.data;
    const response = await ask({});
    const whole = (await response.body.json()) as Record<string, unknown>;
    expect([whole.answer, whole.citations, whole.mode]).toEqual([streamed.answer, streamed.citations, streamed.mode]);
  });

  test('ends with an error event when the model breaks off after its first piece', async () => {
    for (const kind of ['reset_stream', 'error_in_stream', 'truncated_stream'] as const) {
      provider.failNext({ kind });
      const events = await collect(await ask());
      expect(events.map(({ event }) => event)).toEqual(['results', 'delta', 'error']);
      expect(events.at(-1)!.data).toMatchObject({ status: 503, code: expect.stringMatching(/^provider_/) });
      expect(Object.keys(events.at(-1)!.data)).toEqual(
        expect.arrayContaining(['type', 'title', 'status', 'detail', 'instance', 'code', 'trace_id']),
      );
    }
  });

  test('is quoted sentences when the model fails before its first piece', async () => {
    provider.failNext({ kind: 'status', status: 400 });
    const events = await collect(await ask());
    expect(events.at(-1)).toMatchObject({
      event: 'done',
      data: { mode: 'extractive', degraded: ['chat_unavailable'] },
    });
  });

  test('stops the model when the client leaves', async () => {
    provider.failNext({ kind: 'stalled_stream' });
    const leave = new AbortController();
    const response = await ask({ stream: true, signal: leave.signal });
    const events = readEvents(response.body);
    await events.next();
    await eventually(() => expect(provider.requests).toHaveLength(1));
    const next = events.next().catch((error: Error) => error.name);
    leave.abort();
    await provider.requests[0]!.abandoned;
    await next;
    expect(api.logLines.join('')).not.toContain('"level":50');
  });

  test('that is not a stream stops the model too, and a client that leaves is no failure', async () => {
    provider.failNext({ kind: 'silent' });
    const leave = new AbortController();
    const answer = ask({ signal: leave.signal }).catch((error: Error) => error.name);
    await eventually(() => expect(provider.requests).toHaveLength(1));
    leave.abort();
    await provider.requests[0]!.abandoned;
    expect(await answer).toBe('AbortError');
    expect((await api.inject({ url: '/livez' })).statusCode).toBe(200);
    expect(api.logLines.join('')).not.toContain('"level":50');
  });

  test('many on one connection leave no listeners behind', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    for (let i = 0; i < 15; i++) await (await ask({})).body.dump();
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });
});

describe('a server that stops', () => {
  test('ends waits with the job as it is and streams of events, and then closes', async () => {
    const { job_id } = await startText();
    const waiting = open(`/jobs/${job_id}?wait=30`);
    const watching = await open(`/jobs/${job_id}/events`);
    const events = readEvents(watching.body);
    await events.next();
    const closed = stopServer(NEVER_MS);
    expect(await (await waiting).body.json()).toMatchObject({ job_id, status: 'pending' });
    expect((await events.next()).done).toBe(true);
    await closed;
  });

  test('lets a running answer finish', async () => {
    await startText();
    await api.runJobs();
    const response = await ask();
    const closed = stopServer(NEVER_MS);
    expect((await collect(response)).at(-1)!.event).toBe('done');
    await closed;
  });

  test('cuts what is still running after the grace period, and stops its model', async () => {
    await startText();
    await api.runJobs();
    provider.failNext({ kind: 'stalled_stream' });
    const response = await ask();
    const reading = collect(response).catch((error: Error) => error.message);
    await eventually(() => expect(provider.requests).toHaveLength(1));
    await stopServer(100);
    await provider.requests[0]!.abandoned;
    expect(await reading).toEqual(expect.any(String));
  });

  function stopServer(graceMs: number): Promise<void> {
    api.announceStop();
    return closeGracefully(api.app, graceMs);
  }
});
