import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliCompressSync, createGzip, gzipSync } from 'node:zlib';
import { buildConnector } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasCode } from '../../errors/app-error.ts';
import type { Dial, Resolve } from './guarded-connector.ts';
import { type FetchToFileOptions, fetchToFile } from './guarded-fetch.ts';

let folder: string;
let path: string;
const servers: Server[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'guarded-fetch-'));
  path = join(folder, 'body');
});

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  await rm(folder, { recursive: true, force: true });
});

interface Site {
  url: string;
  host: string;
  port: number;
  requests: IncomingMessage[];
}

async function site(answer: RequestListener): Promise<Site> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, host: `127.0.0.1:${port}`, port, requests };
}

function fetchFrom(url: string, options: Partial<FetchToFileOptions> = {}) {
  return fetchToFile(url, { path, maxBytes: 1_000_000, allow: [], ...options });
}

async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'no failure';
  } catch (error) {
    return hasCode(error, 'url_not_allowed', 'too_many_redirects', 'fetch_failed', 'fetch_timeout', 'fetch_too_large')
      ? error.code
      : String(error);
  }
}

function answers(...addresses: string[]): Resolve {
  return async () => addresses.map((address) => ({ address, family: isIP(address) }));
}

/** Asks the resolver but reaches nothing: a check that fails to refuse must not send this test out into the network. */
const dialNowhere: Dial = (lookup) => (target, callback) =>
  lookup(target.hostname, { all: true }, (error) => callback(error ?? new Error('the check let it pass'), null));

describe('a body', () => {
  test('is written to the file with its size, hash and names', async () => {
    const { url, host } = await site((_request, response) => {
      response.setHeader('content-type', 'text/plain; charset=ISO-8859-1').end('hello');
    });
    const fetched = await fetchFrom(`${url}/folder/note.txt#part`, { allow: [host] });
    expect(fetched).toEqual({
      finalUrl: `${url}/folder/note.txt`,
      mediaType: 'text/plain',
      charset: 'iso-8859-1',
      fileName: 'note.txt',
      bytes: 5,
      sha256: '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824',
    });
    expect(await readFile(path, 'utf8')).toBe('hello');
  });

  test.each([
    ['gzip', gzipSync('hello')],
    ['br', brotliCompressSync('hello')],
    ['identity', Buffer.from('hello')],
  ])('in %s is stored decoded', async (encoding, bytes) => {
    const { url, host } = await site((_request, response) => {
      response.setHeader('content-encoding', encoding).end(bytes);
    });
    expect(await fetchFrom(url, { allow: [host] })).toMatchObject({ bytes: 5 });
    expect(await readFile(path, 'utf8')).toBe('hello');
  });

  test.each(['compress', 'gzip, gzip'])('in the coding %s is refused', async (encoding) => {
    const { url, host } = await site((_request, response) => {
      response.setHeader('content-encoding', encoding).end('hello');
    });
    expect(await failure(fetchFrom(url, { allow: [host] }))).toBe('fetch_failed');
  });

  test('may be exactly as large as allowed', async () => {
    const { url, host } = await site((_request, response) => response.end('x'.repeat(1000)));
    expect(await fetchFrom(url, { allow: [host], maxBytes: 1000 })).toMatchObject({ bytes: 1000 });
  });

  test('that announces more than allowed is refused, and leaves no file', async () => {
    const { url, host } = await site((_request, response) => response.end('x'.repeat(1001)));
    expect(await failure(fetchFrom(url, { allow: [host], maxBytes: 1000 }))).toBe('fetch_too_large');
    expect(existsSync(path)).toBe(false);
  });

  test('without an end is cut off at the limit', async () => {
    const { url, host } = await site((_request, response) => {
      const pour = () => {
        while (!response.destroyed && response.write('x'.repeat(10_000)));
      };
      response.on('drain', pour);
      pour();
    });
    expect(await failure(fetchFrom(url, { allow: [host] }))).toBe('fetch_too_large');
    expect(existsSync(path)).toBe(false);
  });

  test('that is a gzip bomb is cut off at the limit of the decoded bytes', async () => {
    const { url, host } = await site((_request, response) => {
      response.setHeader('content-encoding', 'gzip');
      const gzip = createGzip();
      gzip.pipe(response);
      gzip.end(Buffer.alloc(20_000_000));
    });
    expect(await failure(fetchFrom(url, { allow: [host] }))).toBe('fetch_too_large');
  });

  test('that breaks off fails, and leaves no file', async () => {
    const { url, host } = await site((_request, response) => {
      response.setHeader('content-length', '100').write('only this');
      response.once('drain', () => undefined);
      setImmediate(() => response.destroy());
    });
    expect(await failure(fetchFrom(url, { allow: [host] }))).toBe('fetch_failed');
    expect(existsSync(path)).toBe(false);
  });

  test('that stalls fails when the time for the whole is over', async () => {
    const { url, host } = await site((_request, response) => void response.write('a'));
    expect(await failure(fetchFrom(url, { allow: [host], timeoutMs: 150 }))).toBe('fetch_timeout');
    expect(existsSync(path)).toBe(false);
  });
});

test('headers that do not come fail with a timeout', async () => {
  const { url, host } = await site(() => undefined);
  expect(await failure(fetchFrom(url, { allow: [host], headersTimeoutMs: 100 }))).toBe('fetch_timeout');
});

test('the caller can cancel, and gets its own reason', async () => {
  const caller = new AbortController();
  const { url, host } = await site(() => caller.abort(new Error('changed my mind')));
  await expect(fetchFrom(url, { allow: [host], signal: caller.signal })).rejects.toThrow('changed my mind');
});

test.each([404, 500, 304])('a status %i fails and is named', async (status) => {
  const { url, host } = await site((_request, response) => response.writeHead(status).end());
  await expect(fetchFrom(url, { allow: [host] })).rejects.toMatchObject({
    code: 'fetch_failed',
    detail: `The server answered with status ${status}.`,
  });
});

describe('a host inside', () => {
  test('is not opened by another host that is opened at its port', async () => {
    const inside = await site((_request, response) => response.end('secret'));
    expect(await failure(fetchFrom(inside.url, { allow: [`other.test:${inside.port}`] }))).toBe('url_not_allowed');
    expect(inside.requests).toHaveLength(0);
  });

  test.each(['127.0.0.1', '::1', '::ffff:127.0.0.1', '169.254.169.254', '64:ff9b::7f00:1'])(
    'is refused when a name resolves to %s',
    async (address) => {
      const work = fetchFrom('http://inside.test/', { resolve: answers(address), dial: dialNowhere });
      expect(await failure(work)).toBe('url_not_allowed');
    },
  );

  test('is refused when only one of the answers is inside', async () => {
    const resolve = answers('93.184.216.34', '10.0.0.1');
    expect(await failure(fetchFrom('http://mixed.test/', { resolve, dial: dialNowhere }))).toBe('url_not_allowed');
  });

  test.each(['http://localhost/', 'http://localhost./'])(
    'is refused as %s by the resolver of the system',
    async (url) => {
      expect(['url_not_allowed', 'fetch_failed']).toContain(await failure(fetchFrom(url)));
    },
  );

  test('is told apart from an unknown name neither by address nor by name', async () => {
    await expect(
      fetchFrom('http://inside.test/', { resolve: answers('10.9.8.7'), dial: dialNowhere }),
    ).rejects.toMatchObject({
      detail: expect.not.stringMatching(/10\.9\.8\.7|inside/),
    });
  });
});

test('DNS rebinding is stopped at the socket: an answer that was public when checked does not help', async () => {
  const inside = await site((_request, response) => response.end('secret'));
  const resolve = answers('93.184.216.34');
  // Takes the checked answer, then resolves on its own, as every "check first, then fetch" does.
  const dial: Dial = (lookup) => {
    const connect = buildConnector({});
    return (target, callback) =>
      lookup(target.hostname, { all: true }, (error) => {
        expect(error).toBeNull();
        connect({ ...target, hostname: '127.0.0.1', port: String(inside.port) }, callback);
      });
  };
  expect(await failure(fetchFrom('http://rebind.test/', { resolve, dial }))).toBe('url_not_allowed');
  expect(inside.requests).toHaveLength(0);
});

describe('a redirect', () => {
  test('to inside is refused, and nothing is asked there', async () => {
    const inside = await site((_request, response) => response.end('secret'));
    const outside = await site((_request, response) => response.writeHead(302, { location: inside.url }).end());
    expect(await failure(fetchFrom(outside.url, { allow: [outside.host] }))).toBe('url_not_allowed');
    expect(inside.requests).toHaveLength(0);
  });

  test('to a name that resolves to inside is refused', async () => {
    const outside = await site((_request, response) => response.writeHead(307, { location: 'http://in.test/' }).end());
    const work = fetchFrom(outside.url, { allow: [outside.host], resolve: answers('127.0.0.1') });
    expect(await failure(work)).toBe('url_not_allowed');
  });

  test.each(['file:///etc/passwd', 'ftp://example.org/', 'http://user:pw@example.org/', 'http://example.org:22/'])(
    'to %s is refused',
    async (location) => {
      const outside = await site((_request, response) => response.writeHead(301, { location }).end());
      expect(await failure(fetchFrom(outside.url, { allow: [outside.host] }))).toBe('url_not_allowed');
    },
  );

  async function chain(hops: number): Promise<Site> {
    return await site((request, response) => {
      const at = Number(request.url?.slice(1));
      if (at < hops) response.writeHead(302, { location: `/${at + 1}`, 'set-cookie': 'a=b' }).end();
      else response.end('arrived');
    });
  }

  test('is followed three times, relative ones too, without cookies or credentials', async () => {
    const { url, host, requests } = await chain(3);
    expect(await fetchFrom(`${url}/0`, { allow: [host] })).toMatchObject({ finalUrl: `${url}/3`, bytes: 7 });
    for (const { headers } of requests) {
      expect(headers).not.toHaveProperty('cookie');
      expect(headers).not.toHaveProperty('authorization');
      expect(headers).not.toHaveProperty('referer');
    }
  });

  test('is not followed a fourth time', async () => {
    const { url, host } = await chain(4);
    expect(await failure(fetchFrom(`${url}/0`, { allow: [host] }))).toBe('too_many_redirects');
  });
});

test('proxy variables of the environment are ignored', async () => {
  const proxy = await site((_request, response) => response.end('from the proxy'));
  const target = await site((_request, response) => response.end('direct'));
  const names = ['HTTP_PROXY', 'http_proxy', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'];
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : proxy.url;
  try {
    await fetchFrom(target.url, { allow: [target.host] });
  } finally {
    for (const [i, name] of names.entries()) {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    }
  }
  expect(await readFile(path, 'utf8')).toBe('direct');
  expect(proxy.requests).toHaveLength(0);
});

test('a file that cannot be written is not blamed on the server', async () => {
  const { url, host } = await site((_request, response) => response.end('hello'));
  const work = fetchFrom(url, { allow: [host], path: join(folder, 'missing', 'body') });
  await expect(work).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a name that does not resolve fails', async () => {
  const resolve = async () => {
    throw Object.assign(new Error('no such host'), { code: 'ENOTFOUND' });
  };
  expect(await failure(fetchFrom('http://nowhere.test/', { resolve }))).toBe('fetch_failed');
});
