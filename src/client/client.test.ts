import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createClient } from './client.ts';
import { ProblemError, TimedOutError, UnexpectedAnswerError, UnreachableError } from './errors.ts';
import type { UploadFile } from './multipart.ts';
import type { Credentials } from './transport.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

interface Seen {
  method: string;
  url: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** A server that answers each request by the next handler, the last one for all that follow. */
async function serve(...handlers: Handler[]) {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const handler = handlers[Math.min(seen.length, handlers.length - 1)]!;
    const entry: Seen = {
      method: request.method!,
      url: request.url!,
      headers: request.headers,
      body: Buffer.alloc(0),
    };
    seen.push(entry);
    try {
      entry.body = Buffer.concat(await request.toArray());
    } catch {
      // A client that breaks off while it sends is what some tests are about.
      return;
    }
    handler(request, response, entry.body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  stops.push(stop);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, stop };
}

function answer(body: unknown, status = 200, headers: Record<string, string> = {}): Handler {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

function problem(status: number, code: string, headers: Record<string, string> = {}): Handler {
  const body = { type: 'about:blank', title: code, status, detail: 'because', instance: '/', code, trace_id: 't' };
  return answer(body, status, { 'content-type': 'application/problem+json', ...headers });
}

function events(...texts: string[]): Handler {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const text of texts) response.write(text);
    response.end();
  };
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const value of values) seen.push(value);
  return seen;
}

const asGuest: Credentials = { token: async () => null, renew: async () => null };

function textFile(content: string, overrides: Partial<UploadFile> = {}): UploadFile {
  return { name: 'a.txt', repeatable: true, open: () => ReadableStream.from([Buffer.from(content)]), ...overrides };
}

describe('requests', () => {
  test('carry the token, and the query without what is undefined', async () => {
    const server = await serve(answer({ items: [], next_cursor: null }));
    const client = createClient({ url: `${server.url}/`, credentials: { ...asGuest, token: async () => 'secret' } });
    await client.jobs({ status: 'failed', limit: 5, cursor: undefined });
    expect(server.seen[0]).toMatchObject({ method: 'GET', url: '/jobs?status=failed&limit=5' });
    expect(server.seen[0]!.headers.authorization).toBe('Bearer secret');
  });

  test('a problem is thrown as the server said it', async () => {
    const server = await serve(problem(404, 'not_found'));
    const client = createClient({ url: server.url, credentials: asGuest });
    const error = await client.document('../x').catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ProblemError);
    expect(error.problem).toMatchObject({ status: 404, code: 'not_found', detail: 'because' });
    expect(server.seen[0]!.url).toBe('/documents/..%2Fx');
  });

  test('a refused token is renewed once', async () => {
    const server = await serve(problem(401, 'invalid_credentials'));
    const refused: string[] = [];
    const credentials = { token: async () => 'old', renew: async (token: string) => `${refused.push(token)}` };
    const client = createClient({ url: server.url, credentials });
    await expect(client.me()).rejects.toThrow('invalid_credentials');
    expect(refused).toEqual(['old']);
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer old', 'Bearer 1']);
  });

  test('a request that was turned away is sent again when the server said to', async () => {
    const server = await serve(
      problem(429, 'rate_limited', { 'retry-after': '0' }),
      problem(503, 'not_ready', { 'retry-after': '0' }),
      answer({ user_id: 'u' }),
    );
    const told: string[] = [];
    const onPostponed = ({ message }: Error) => void told.push(message);
    const client = createClient({ url: server.url, credentials: asGuest, onPostponed });
    expect(await client.me()).toEqual({ user_id: 'u' });
    expect(server.seen).toHaveLength(3);
    expect(told).toEqual([expect.stringContaining('rate_limited')]);
  });

  test('a request is given up when it is turned away for longer than agreed', async () => {
    const server = await serve(problem(503, 'not_ready', { 'retry-after': '0' }));
    const client = createClient({ url: server.url, credentials: asGuest, maxPostponedMs: 20 });
    await expect(client.me()).rejects.toThrow('not_ready');
    expect(server.seen.length).toBeGreaterThan(1);
  });

  test('a request that is put off for too long fails at once', async () => {
    const server = await serve(problem(429, 'rate_limited', { 'retry-after': '3600' }));
    const client = createClient({ url: server.url, credentials: asGuest });
    await expect(client.me()).rejects.toThrow('rate_limited');
    expect(server.seen).toHaveLength(1);
  });

  test('a refresh token is never sent twice', async () => {
    const server = await serve(problem(503, 'database_busy', { 'retry-after': '0' }));
    const client = createClient({ url: server.url, credentials: asGuest });
    await expect(client.refresh('token')).rejects.toThrow('database_busy');
    expect(server.seen).toHaveLength(1);
  });

  test('a server that is not there is unreachable', async () => {
    const server = await serve(answer({}));
    await server.stop();
    const client = createClient({ url: server.url, credentials: asGuest });
    const error = await client.me().catch((thrown) => thrown);
    expect(error).toBeInstanceOf(UnreachableError);
    expect(error.message).toContain('nothing listens there');
  });

  test.each<[string, Handler]>([
    ['does not begin its answer', () => {}],
    ['does not end its answer', (_request, response) => void response.writeHead(200).write('{')],
  ])('a server that %s has timed out', async (_name, handler) => {
    const server = await serve(handler);
    const client = createClient({ url: server.url, credentials: asGuest, timeoutMs: 50 });
    await expect(client.me()).rejects.toBeInstanceOf(TimedOutError);
  });

  test.each<[string, Handler]>([
    ['a page', (_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')],
    ['an error page', (_request, response) => void response.writeHead(502).end('bad gateway')],
    ['a redirect', (_request, response) => void response.writeHead(302, { location: '/elsewhere' }).end()],
  ])('%s is no answer of anyrag, and no redirect is followed', async (_name, handler) => {
    const server = await serve(handler);
    const client = createClient({ url: server.url, credentials: asGuest });
    await expect(client.me()).rejects.toBeInstanceOf(UnexpectedAnswerError);
    expect(server.seen).toHaveLength(1);
  });
});

describe('uploads', () => {
  test('are multipart, whatever their names and fields hold', async () => {
    const server = await serve(answer({ job_id: 'j' }, 202));
    const client = createClient({ url: server.url, credentials: asGuest });
    const file = textFile('content', { name: 'grö"ße\r\n ไทย.md' });
    await client.ingestFile(file, { title: 'A "title"', tags: ['[a', 'b'], metadata: { n: 1 } }, 'key-1');
    const { headers, body } = server.seen[0]!;
    expect(headers['idempotency-key']).toBe('key-1');
    const form = await new Response(new Uint8Array(body), {
      headers: { 'content-type': headers['content-type']! },
    }).formData();
    expect(form.get('title')).toBe('A "title"');
    expect(form.get('tags')).toBe('["[a","b"]');
    expect(form.get('metadata')).toBe('{"n":1}');
    const sent = form.get('file') as File;
    expect(sent.name).toBe('grö"ße\r\n ไทย.md');
    expect(await sent.text()).toBe('content');
  });

  test('a file is read no faster than it is sent', async () => {
    let received = 0;
    const server = createServer((request, response) => {
      request.on('data', (bytes: Buffer) => {
        received += bytes.length;
      });
      request.on('end', () => response.end('{"job_id":"j"}'));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(async () => void server.close());
    const block = new Uint8Array(1_048_576);
    let sent = 0;
    let lead = 0;
    const file = textFile('', {
      async *open() {
        for (; sent < 128 * block.length; sent += block.length) {
          lead = Math.max(lead, sent - received);
          yield block;
        }
      },
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await createClient({ url, credentials: asGuest }).ingestFile(file, {}, 'key');
    expect(received).toBeGreaterThan(sent);
    expect(lead).toBeLessThan(32 * block.length);
  });

  test('a file that can be read again is sent again when the server was busy, a pipe is not', async () => {
    const server = await serve(problem(503, 'overloaded', { 'retry-after': '0' }), answer({ job_id: 'j' }, 202));
    const client = createClient({ url: server.url, credentials: asGuest });
    await client.ingestFile(textFile('once more'), {}, 'key');
    expect(server.seen[1]!.body.toString()).toContain('once more');

    const busy = await serve(problem(503, 'overloaded', { 'retry-after': '0' }));
    const another = createClient({ url: busy.url, credentials: asGuest });
    await expect(another.ingestFile(textFile('x', { repeatable: false }), {}, 'key')).rejects.toThrow('overloaded');
    expect(busy.seen).toHaveLength(1);
  });

  test('a file that cannot be read fails by its own error', async () => {
    const server = await serve(answer({}, 202));
    const client = createClient({ url: server.url, credentials: asGuest });
    const file = textFile('', {
      // biome-ignore lint/correctness/useYield: it fails before it has anything to yield.
      async *open() {
        throw new Error('disk on fire');
      },
    });
    await expect(client.ingestFile(file, {}, 'key')).rejects.toThrow('disk on fire');
  });
});

describe('streams', () => {
  const job = { job_id: 'j', status: 'processing', finished_at: null };
  const ended = { ...job, status: 'completed', finished_at: '2026-01-01T00:00:00.000Z' };

  test('an answer comes in pieces and ends with the whole', async () => {
    const server = await serve(
      events(
        'event: results\ndata: {"results":[]}\n\nevent: delta\ndata: {"text":"a"}\n\n',
        'event: delta\ndata: {"text":"b"}\n\nevent: citations\ndata: {"citations":[]}\n\n',
        'event: done\ndata: {"answer":"ab"}\n\n',
      ),
    );
    const client = createClient({ url: server.url, credentials: asGuest });
    const seen = await all(client.askStreaming({ query: 'q' }));
    expect(seen).toEqual([
      { kind: 'results', results: [] },
      { kind: 'delta', text: 'a' },
      { kind: 'delta', text: 'b' },
      { kind: 'done', answer: { answer: 'ab' } },
    ]);
  });

  test('an answer that fails on the way throws the problem, one that breaks off is unreachable', async () => {
    const failing = await serve(events('event: error\ndata: {"code":"provider_unavailable","detail":"gone"}\n\n'));
    const client = createClient({ url: failing.url, credentials: asGuest });
    await expect(all(client.askStreaming({ query: 'q' }))).rejects.toThrow('provider_unavailable');

    const cut = await serve(events('event: delta\ndata: {"text":"a"}\n\n'));
    const another = createClient({ url: cut.url, credentials: asGuest });
    await expect(all(another.askStreaming({ query: 'q' }))).rejects.toBeInstanceOf(UnreachableError);
  });

  test('a job is followed through a server that stops and a connection that breaks', async () => {
    const server = await serve(
      events(`event: progress\ndata: ${JSON.stringify(job)}\n\n`),
      (request) => request.socket.destroy(),
      events(`event: end\ndata: ${JSON.stringify(ended)}\n\n`),
    );
    const client = createClient({ url: server.url, credentials: asGuest });
    const seen = await all(client.followJob('j', { jobToken: 'guest' }));
    expect(seen).toEqual([job, ended]);
    expect(server.seen).toHaveLength(3);
    expect(server.seen[2]!.headers['job-token']).toBe('guest');
  });

  test('a job that does not end in time has timed out', async () => {
    const server = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`event: progress\ndata: ${JSON.stringify(job)}\n\n`);
    });
    const client = createClient({ url: server.url, credentials: asGuest });
    const following = all(client.followJob('j', { signal: AbortSignal.timeout(100) }));
    await expect(following).rejects.toThrow('The job has not ended in time');
  });

  test('a job whose server stays away is given up', async () => {
    const server = await serve((request) => request.socket.destroy());
    const client = createClient({ url: server.url, credentials: asGuest });
    const following = all(client.followJob('j', { patienceMs: 0 }));
    await expect(following).rejects.toBeInstanceOf(UnreachableError);
  });
});
