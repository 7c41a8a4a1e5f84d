import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestApp, registeredRoutes, type TestApp, type TestUser } from '../harness/app.ts';

let api: TestApp;
let ada: TestUser;
let documentId: string;

beforeAll(async () => {
  api = await createTestApp();
  ada = await api.registerUser();
  documentId = await api.ingestText(ada, { text: 'Otters hold hands while they sleep.', title: 'Otters' });
});
afterAll(() => api.close());

function get(url: string, headers: Record<string, string> = {}) {
  return api.inject({ url, as: ada, headers });
}

function post(url: string, payload: unknown, headers: Record<string, string> = {}) {
  return api.inject({ method: 'POST', url, as: ada, payload: payload as object, headers });
}

/** Served, but no part of the contract: the contract itself and its page. */
const UNDESCRIBED = /^GET \/(openapi\.json|docs\b.*)$/;

describe('the OpenAPI document', () => {
  test('is of version 3.1 and has what it must have', () => {
    const { document } = api.contract;
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    for (const { definition, method, path } of api.contract.operations) {
      const where = `${method} ${path}`;
      expect(definition.summary, where).toEqual(expect.any(String));
      expect(definition.tags, where).toHaveLength(1);
      for (const [status, response] of Object.entries<Record<string, unknown>>(definition.responses)) {
        expect(status, where).toMatch(/^[1-5]\d\d$/);
        expect(response.description, where).toEqual(expect.any(String));
      }
    }
  });

  test('every schema in it compiles and every reference leads somewhere', () => {
    const { document, schemaAt } = api.contract;
    for (const name of Object.keys(document.components.schemas)) schemaAt('components', 'schemas', name);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(0);
    expect([...new Set(references.map((match) => match[1]))].sort()).toEqual(
      Object.keys(document.components.schemas).sort(),
    );
  });

  test('each parameter of a path is declared, and no other', () => {
    for (const { path, method, definition } of api.contract.operations) {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const parameters: { in: string; name: string; required: boolean }[] = definition.parameters ?? [];
      const declared = parameters.filter((parameter) => parameter.in === 'path');
      expect(declared.map(({ name }) => name).sort(), `${method} ${path}`).toEqual(inPath.sort());
      expect(declared.every(({ required }) => required)).toBe(true);
    }
  });

  test('every route is in it, and nothing that is no route', () => {
    const described = api.contract.operations.map(({ method, path }) => `${method} ${path}`);
    const registered = registeredRoutes(api.app)
      .filter((route) => !UNDESCRIBED.test(route))
      .map((route) => route.replace(/:(\w+)/g, '{$1}'));
    expect(described.sort()).toEqual(registered.sort());
  });

  test('every operation declares a success, or where it sends the caller, and the problems that any route may answer', () => {
    for (const { method, path, definition } of api.contract.operations) {
      const statuses = Object.keys(definition.responses);
      expect(
        statuses.some((status) => /^[23]/.test(status)),
        `${method} ${path}`,
      ).toBe(true);
      expect(statuses, `${method} ${path}`).toEqual(
        expect.arrayContaining(['400', '401', '403', '404', '429', '500', '503']),
      );
      if (definition.requestBody !== undefined) {
        expect(statuses, `${method} ${path}`).toEqual(expect.arrayContaining(['413', '415']));
      }
    }
  });

  test('no body may have fields that are not declared', () => {
    const { document } = api.contract;
    for (const { method, path, definition } of api.contract.operations) {
      for (const { schema } of Object.values<{ schema: { $ref?: string } }>(definition.requestBody?.content ?? {})) {
        const name = schema.$ref?.split('/').at(-1) ?? '';
        expect(document.components.schemas[name]?.additionalProperties, `${method} ${path}`).toBe(false);
      }
    }
  });

  test('no route but the open ones takes a query parameter that is not declared', async () => {
    // On the last ones the role is asked first.
    const open =
      /^\/(livez|readyz|metrics|auth\/(register|login|refresh|password\/.*|oidc\/.*)|\.well-known\/.*|queues.*|jobs\/redrive|users(?!\/me).*|admin\/.*)$/;
    for (const { method, path } of api.contract.operations) {
      if (open.test(path)) continue;
      const url = `${path.replace(/\{\w+\}/, documentId)}?unexpected=1`;
      const response = await api.inject({ method: method as 'GET', url, as: ada });
      const paths = response.json().errors?.map((error: { path: string }) => error.path);
      // A body that is missing is found before.
      expect([400, 415], `${method} ${path}`).toContain(response.statusCode);
      if (method === 'GET') expect(paths, path).toEqual(['query.unexpected']);
    }
  });

  test('its page is served without scripts of others', async () => {
    const page = await api.app.inject('/docs/');
    expect(page.statusCode).toBe(200);
    const policy = page.headers['content-security-policy'];
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toMatch(/validator|upgrade-insecure-requests/);
    expect((await api.app.inject('/docs/static/swagger-initializer.js')).body).toMatch(/"validatorUrl":\s*null/);
  });

  test('says of each operation whether it can be used without credentials', async () => {
    for (const { method, path, definition } of api.contract.operations) {
      const { security } = definition;
      const isOpen = security.length === 0;
      const takesGuests = security.some((scheme: object) => Object.keys(scheme).length === 0);
      const response = await api.app.inject({ method: method as 'GET', url: path.replace(/\{\w+\}/, documentId) });
      const isRefused = response.statusCode === 401 && response.json().code === 'unauthenticated';
      if (isOpen) expect(isRefused, `${method} ${path}`).toBe(false);
      else if (!takesGuests) expect(isRefused, `${method} ${path}`).toBe(true);
    }
    const securityOf = (where: string) =>
      api.contract.operations.find(({ method, path }) => `${method} ${path}` === where)!.definition.security;
    expect(securityOf('GET /livez')).toEqual([]);
    expect(securityOf('GET /auth/me')).toEqual([{ bearer: [] }]);
    expect(securityOf('POST /search/keyword')).toEqual([{ bearer: [] }, {}]);
  });
});

describe('problems', () => {
  test('have every member of RFC 9457, a code, a trace id and the place', async () => {
    const response = await get('/documents/unknown?x=1');
    expect(response.statusCode).toBe(400);
    const missing = await get('/documents/unknown');
    expect(missing.headers['content-type']).toBe('application/problem+json');
    expect(missing.json()).toEqual({
      type: 'https://anyrag.dev/errors/not_found',
      title: 'Not found',
      status: 404,
      detail: 'Not found',
      instance: '/documents/unknown',
      code: 'not_found',
      trace_id: missing.headers.traceparent?.toString().split('-')[1],
    });
  });

  test.each([
    ['GET', '/nowhere', 404, 'not_found'],
    ['GET', '/documents/', 400, 'validation_failed'],
    ['GET', '/Documents', 404, 'not_found'],
    ['PUT', '/documents', 404, 'not_found'],
    ['DELETE', '/search/keyword', 404, 'not_found'],
    ['OPTIONS', '/documents', 404, 'not_found'],
    ['GET', '/%zz', 400, 'malformed_request'],
    ['GET', '/documents/%ff', 400, 'malformed_request'],
    ['GET', `/documents/${'x'.repeat(201)}`, 404, 'not_found'],
    ['GET', '/documents/a%2Fb', 404, 'not_found'],
    ['GET', '/documents/%00', 404, 'not_found'],
  ] as const)('%s %s is a %i %s', async (method, url, status, code) => {
    const response = await api.inject({ method, url, as: ada });
    expect([response.statusCode, response.json().code]).toEqual([status, code]);
  });

  test('HEAD answers as GET does, without a body', async () => {
    const [head, whole] = [
      await api.inject({ method: 'HEAD', url: `/documents/${documentId}`, as: ada }),
      await get(`/documents/${documentId}`),
    ];
    expect(head.statusCode).toBe(200);
    expect(head.body).toBe('');
    expect(head.headers['content-length']).toBe(whole.headers['content-length']);
    expect((await api.inject({ method: 'HEAD', url: '/documents/x', as: ada })).statusCode).toBe(404);
  });

  test('an unknown error is a bare 500, and its text stays in the log', async () => {
    const broken = await createTestApp({
      change: ({ answers }) => ({
        answers: {
          ...answers,
          db: {
            ...answers.db,
            query: () => Promise.reject(new Error('SELECT secret FROM /var/lib/anyrag.db')),
          },
        },
      }),
    });
    const user = await broken.registerUser();
    const response = await broken.inject({ method: 'POST', url: '/search/keyword', as: user, payload: { query: 'x' } });
    expect(response.statusCode).toBe(500);
    expect(response.json()).toMatchObject({ code: 'internal', detail: 'An unexpected error occurred' });
    expect(response.body).not.toMatch(/secret|var|SELECT|\.ts/);
    expect(broken.logLines.join('')).toContain('SELECT secret');
    await broken.close();
  });

  test('what is no HTTP is answered with a problem as well', async () => {
    const url = new URL(await api.listen());
    const socket = connect(Number(url.port), url.hostname);
    socket.write('NONSENSE\r\n\r\n');
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('content-type: application/problem+json');
    expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({ code: 'malformed_request', status: 400 });
  });
});

describe('request ids and traces', () => {
  test('a harmless request id comes back, any other is replaced', async () => {
    const given = await get('/livez', { 'x-request-id': 'my-request.0001' });
    expect(given.headers['x-request-id']).toBe('my-request.0001');
    for (const bad of ['short', 'x'.repeat(65), 'with space 1', '"><script>', 'äöüäöüäöü', 'a,b,c,d,e,f']) {
      const replaced = await get('/livez', { 'x-request-id': bad });
      expect(replaced.headers['x-request-id']).not.toBe(bad);
    }
  });

  test('the trace of a caller with credentials is continued, that of others is not', async () => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
    const known = await get('/documents', { traceparent });
    expect(known.headers.traceparent).toContain('ab'.repeat(16));
    expect(known.headers.traceparent).not.toContain('cd'.repeat(8));
    const unknown = await api.inject({ url: '/livez', headers: { traceparent } });
    expect(unknown.headers.traceparent).not.toContain('ab'.repeat(16));
  });

  test('a line of the log cannot be forged, and holds no credentials', async () => {
    const before = api.logLines.length;
    await get(`/documents/${encodeURIComponent('x\r\n{"level":50,"msg":"forged"}\u001b[31m')}`);
    await post('/search/keyword', { query: 'line\r\n{"msg":"forged"}' }, { 'user-agent': 'x\\r\\nforged' });
    await api.inject({ url: '/documents', headers: { authorization: 'Bearer forged-token-value' } });
    const lines = api.logLines.slice(before);
    expect(lines.length).toBeGreaterThanOrEqual(3);
    for (const line of lines) {
      expect(line.trimEnd()).not.toMatch(/\p{Cc}/u);
      expect(JSON.parse(line).msg).not.toContain('forged');
    }
    expect(lines.join('')).not.toContain('forged-token-value');
    expect(lines.join('')).not.toContain(ada.token);
  });
});

describe('input', () => {
  test.each([
    ['an unknown field', { query: 'x', owner_id: 'me' }, 'body.owner_id'],
    ['a wrong type', { query: 5 }, 'body.query'],
    ['an empty text', { query: '  ' }, 'body.query'],
    ['a missing field', {}, 'body.query'],
    ['a nested mistake', { query: 'x', filters: { tags: [7] } }, 'body.filters.tags.0'],
    ['an unknown filter', { query: 'x', filters: { owner: 'me' } }, 'body.filters.owner'],
    ['a limit of 0', { query: 'x', limit: 0 }, 'body.limit'],
    ['a limit of 51', { query: 'x', limit: 51 }, 'body.limit'],
    ['half a limit', { query: 'x', limit: 1.5 }, 'body.limit'],
    ['a limit in words', { query: 'x', limit: '5' }, 'body.limit'],
  ])('%s in a body is a 400 that says where', async (_what, payload, path) => {
    const response = await post('/search/keyword', payload);
    expect(response.statusCode).toBe(400);
    expect(response.json().code).toBe('validation_failed');
    expect(response.json().errors.map((error: { path: string }) => error.path)).toContain(path);
  });

  test.each([
    'limit=0',
    'limit=101',
    'limit=abc',
    'limit=',
    'limit=-1',
    'limit=1.5',
    'limit=1&limit=2',
    'page=2',
    'owner=you',
  ])('?%s is a 400', async (query) => {
    const response = await get(`/documents?${query}`);
    expect([response.statusCode, response.json().code]).toEqual([400, 'validation_failed']);
    expect(response.json().errors[0].path).toMatch(/^query/);
  });

  test.each([
    ['broken JSON', '{"query":', 'application/json', 400, 'malformed_request'],
    ['no JSON at all', 'query=x', 'application/json', 400, 'malformed_request'],
    ['nothing', '', 'application/json', 400, 'validation_failed'],
    ['null', 'null', 'application/json', 400, 'validation_failed'],
    ['a list', '[]', 'application/json', 400, 'validation_failed'],
    ['__proto__', '{"query":"x","__proto__":{"limit":1}}', 'application/json', 400, 'malformed_request'],
    [
      'a constructor',
      '{"query":"x","constructor":{"prototype":{"a":1}}}',
      'application/json',
      400,
      'malformed_request',
    ],
    ['plain text', '{"query":"x"}', 'text/plain', 415, 'unsupported_media_type'],
    ['a form', 'query=x', 'application/x-www-form-urlencoded', 415, 'unsupported_media_type'],
    ['XML', '<query/>', 'application/xml', 415, 'unsupported_media_type'],
    ['an unnamed type', '{"query":"x"}', 'nonsense', 415, 'unsupported_media_type'],
    ['JSON by another name', '{"query":"x"}', 'application/json-patch+json', 415, 'unsupported_media_type'],
  ])('%s as a body is refused', async (_what, payload, type, status, code) => {
    const response = await post('/search/keyword', payload, { 'content-type': type });
    expect([response.statusCode, response.json().code]).toEqual([status, code]);
    expect(({} as Record<string, unknown>).a).toBeUndefined();
  });

  test('JSON with a charset is JSON', async () => {
    const response = await post('/search/keyword', '{"query":"x"}', {
      'content-type': 'application/json; charset=utf-8',
    });
    expect(response.statusCode).toBe(200);
  });

  test('a request that announces JSON and sends none is served where no body is needed', async () => {
    const headers = { 'content-type': 'application/json' };
    const id = await api.ingestText(ada, { text: 'soon gone' });
    expect((await api.inject({ method: 'DELETE', url: `/documents/${id}`, as: ada, headers })).statusCode).toBe(204);
  });

  test('of two equal keys in a body the last one counts, and the first leaves nothing', async () => {
    const response = await post('/search/keyword', '{"limit":1000,"query":"x","limit":1}', {
      'content-type': 'application/json',
    });
    expect(response.statusCode).toBe(200);
  });
});

describe('lists', () => {
  const PER_LIST = 7;

  beforeAll(async () => {
    for (let i = 0; i < PER_LIST; i++) {
      await post('/ingest/text', { text: `Note ${i}`, title: `Note ${i}` });
      await post('/auth/api-keys', { name: `key ${i}` });
    }
    await api.runJobs();
  });

  test.each(['/documents', '/jobs', '/auth/api-keys'])(
    '%s gives every item once over its pages, in the order of one page',
    async (url) => {
      const whole = (await get(`${url}?limit=100`)).json();
      expect(whole.items.length).toBeGreaterThanOrEqual(PER_LIST);
      expect(whole.next_cursor).toBeNull();
      for (const limit of [1, 3, whole.items.length]) {
        const walked: unknown[] = [];
        let cursor: string | null = null;
        do {
          const page: { items: unknown[]; next_cursor: string | null } = (
            await get(`${url}?limit=${limit}${cursor === null ? '' : `&cursor=${cursor}`}`)
          ).json();
          expect(page.items.length).toBeLessThanOrEqual(limit);
          walked.push(...page.items);
          cursor = page.next_cursor;
        } while (cursor !== null);
        expect(walked).toEqual(whole.items);
      }
    },
  );

  test('the passages of a document are walked in reading order', async () => {
    const paragraphs = Array.from(
      { length: 12 },
      (_, i) => `Part ${i}. ${`Sentence number ${i} goes on. `.repeat(40)}`,
    );
    const id = await api.ingestText(ada, { text: paragraphs.join('\n\n') });
    const whole = (await get(`/documents/${id}/chunks?limit=100`)).json().items;
    expect(whole.length).toBeGreaterThan(3);
    const first = (await get(`/documents/${id}/chunks?limit=2`)).json();
    const second = (await get(`/documents/${id}/chunks?limit=100&cursor=${first.next_cursor}`)).json();
    expect([...first.items, ...second.items]).toEqual(whole);
  });

  test('without a limit a page has 20 items', async () => {
    for (let i = 0; i < 15; i++) await post('/auth/api-keys', { name: `more ${i}` });
    expect((await get('/auth/api-keys')).json().items).toHaveLength(20);
  });

  test.each(['/documents', '/jobs', '/auth/api-keys'])(
    'a cursor that %s did not issue is a 400 invalid_cursor',
    async (url) => {
      const garbage = [
        'x',
        '%00',
        '!!!',
        'bnVsbA',
        'W10',
        'W251bGxd',
        'e30',
        'WzFlOTk5XQ',
        'W3t9XQ',
        'WyJhIiwiYiIsImMiXQ',
      ];
      for (const cursor of garbage) {
        const response = await get(`${url}?cursor=${cursor}`);
        expect([cursor, response.statusCode, response.json().code]).toEqual([cursor, 400, 'invalid_cursor']);
      }
    },
  );
});

describe('Idempotency-Key', () => {
  const body = { text: 'Only once, please.' };

  test('gives the same answer again', async () => {
    const first = await post('/ingest/text', body, { 'idempotency-key': 'k-1' });
    const again = await post('/ingest/text', body, { 'idempotency-key': 'k-1' });
    expect(again.statusCode).toBe(202);
    expect(again.json()).toEqual(first.json());
    expect(again.headers.location).toBe(first.headers.location);
  });

  test('with another body is a conflict, and leaves nothing in the storage', async () => {
    await post('/ingest/text', body, { 'idempotency-key': 'k-2' });
    const files = await api.storedFiles();
    const other = await post('/ingest/text', { ...body, title: 'Other' }, { 'idempotency-key': 'k-2' });
    expect([other.statusCode, other.json().code]).toEqual([409, 'idempotency_conflict']);
    expect(await api.storedFiles()).toEqual(files);
  });

  test('of equal requests at the same time one does the work', async () => {
    const jobsBefore = (await get('/jobs?limit=100')).json().items.length;
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => post('/ingest/text', body, { 'idempotency-key': 'k-3' })),
    );
    expect(answers.map((answer) => answer.statusCode)).toEqual(Array(8).fill(202));
    expect(new Set(answers.map((answer) => answer.json().job_id)).size).toBe(1);
    expect((await get('/jobs?limit=100')).json().items).toHaveLength(jobsBefore + 1);
  });

  test('is each caller’s own', async () => {
    const grace = await api.registerUser();
    const mine = await post('/ingest/text', body, { 'idempotency-key': 'k-4' });
    const hers = await api.inject({
      method: 'POST',
      url: '/ingest/text',
      as: grace,
      payload: { text: 'Something else' },
      headers: { 'idempotency-key': 'k-4' },
    });
    expect(hers.statusCode).toBe(202);
    expect(hers.json().job_id).not.toBe(mine.json().job_id);
  });

  test('that is empty or too long is a 400', async () => {
    for (const key of ['', 'x'.repeat(256)]) {
      const response = await post('/ingest/text', body, { 'idempotency-key': key });
      expect([response.statusCode, response.json().errors[0].path]).toEqual([400, 'headers.idempotency-key']);
    }
  });
});

describe('limits and proxies', () => {
  test('a caller above the rate gets 429 with Retry-After, another one does not', async () => {
    const limited = await createTestApp({ ratePerMinute: 3 });
    const [one, two] = [await limited.registerUser(), await limited.registerUser()];
    for (let i = 0; i < 3; i++) expect((await limited.inject({ url: '/documents', as: one })).statusCode).toBe(200);
    const refused = await limited.inject({ url: '/documents', as: one });
    expect([refused.statusCode, refused.json().code]).toEqual([429, 'rate_limited']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect((await limited.inject({ url: '/documents', as: two })).statusCode).toBe(200);
    expect((await limited.inject({ url: '/jobs', as: one })).statusCode).toBe(200);
    await limited.close();
  });

  test('bad requests count as well, and probes of the health do not', async () => {
    const limited = await createTestApp({ ratePerMinute: 2 });
    const user = await limited.registerUser();
    const send = () => limited.inject({ method: 'POST', url: '/search/keyword', as: user, payload: {} });
    expect([(await send()).statusCode, (await send()).statusCode, (await send()).statusCode]).toEqual([400, 400, 429]);
    for (let i = 0; i < 5; i++) expect((await limited.inject({ url: '/livez' })).statusCode).toBe(200);
    await limited.close();
  });

  test('X-Forwarded-For is believed from a trusted proxy only', async () => {
    const statuses = async (trustProxy: string[]) => {
      const limited = await createTestApp({ ratePerMinute: 1, trustProxy });
      const results = [];
      for (const address of ['203.0.113.1', '203.0.113.2']) {
        const headers = { 'x-forwarded-for': address };
        results.push((await limited.inject({ url: '/.well-known/jwks.json', headers })).statusCode);
      }
      await limited.close();
      return results;
    };
    expect(await statuses([])).toEqual([200, 429]);
    expect(await statuses(['127.0.0.1/32'])).toEqual([200, 200]);
    expect(await statuses(['10.0.0.0/8'])).toEqual([200, 429]);
  });

  test('a guest cannot make up a new address by adding hops in front of a trusted proxy', async () => {
    const limited = await createTestApp({ ratePerMinute: 1, trustProxy: ['127.0.0.1/32'] });
    const send = (forwarded: string) =>
      limited.inject({ url: '/.well-known/jwks.json', headers: { 'x-forwarded-for': forwarded } });
    expect((await send('198.51.100.1, 203.0.113.9')).statusCode).toBe(200);
    expect((await send('198.51.100.2, 203.0.113.9')).statusCode).toBe(429);
    await limited.close();
  });
});

describe('readiness', () => {
  test('/readyz names what is wrong, /livez does not care', async () => {
    const database = new Error('connect ECONNREFUSED /secret/path');
    const broken = await createTestApp({ change: () => ({ checks: { database: () => Promise.reject(database) } }) });
    const response = await broken.inject({ url: '/readyz' });
    expect([response.statusCode, response.json().code]).toEqual([503, 'not_ready']);
    expect(response.json().detail).toBe('database: the check failed');
    expect((await broken.inject({ url: '/livez' })).statusCode).toBe(200);
    await broken.close();
  });

  test('/readyz is 503 when the database is gone', async () => {
    const gone = await createTestApp();
    expect((await gone.inject({ url: '/readyz' })).statusCode).toBe(200);
    await gone.db.close();
    expect((await gone.inject({ url: '/readyz' })).statusCode).toBe(503);
    expect((await gone.inject({ url: '/livez' })).statusCode).toBe(200);
    await gone.close();
  });
});
