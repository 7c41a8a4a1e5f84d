import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestApp, TEST_METRICS_TOKEN, type TestApp } from '../../../../test/harness/app.ts';
import { newId } from '../../../base/ids.ts';

let api: TestApp;

beforeAll(async () => {
  api = await createTestApp();
});

afterAll(() => api.close());

const scrape = async (from: TestApp = api, headers: Record<string, string> = {}) =>
  (await from.inject({ url: '/metrics', headers })).body;

/** The value of the one series whose line begins like this. */
async function seriesValue(series: string): Promise<number> {
  const line = (await scrape()).split('\n').find((candidate) => candidate.startsWith(series));
  return line === undefined ? 0 : Number(line.split(' ').at(-1));
}

describe('who may read', () => {
  const BEHIND_PROXY = { trustProxy: ['127.0.0.1'] };
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const codeOf = async (headers: Record<string, string>, from: TestApp, remoteAddress = '127.0.0.1') => {
    const response = await from.inject({ url: '/metrics', headers, remoteAddress });
    return response.statusCode === 200 ? 200 : response.json().code;
  };

  test('a caller on this machine may, without credentials', async () => {
    for (const address of ['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1']) {
      expect(await codeOf({}, api, address), address).toBe(200);
    }
  });

  test('a caller elsewhere needs the token', async () => {
    for (const address of ['192.0.2.1', '::ffff:192.0.2.1', '2001:db8::1']) {
      expect(await codeOf({}, api, address), address).toBe('unauthenticated');
      expect(await codeOf(bearer('token-of-the-Metrics'), api, address), address).toBe('invalid_credentials');
      expect(await codeOf(bearer(TEST_METRICS_TOKEN), api, address), address).toBe(200);
    }
  });

  test('behind a proxy everybody needs the token, also who seems to be on this machine', async () => {
    const proxied = await createTestApp(BEHIND_PROXY);
    expect(await codeOf({}, proxied)).toBe('unauthenticated');
    expect(await codeOf(bearer(TEST_METRICS_TOKEN), proxied)).toBe(200);
    await proxied.close();
  });

  test('a proxy that nobody has announced does not make strangers local', async () => {
    expect(await codeOf({ 'x-forwarded-for': '192.0.2.1' }, api)).toBe('unauthenticated');
  });

  test('credentials of a user are no token', async () => {
    const ada = await api.registerUser();
    expect(await codeOf({ authorization: ada.authorization }, api, '192.0.2.1')).toBe('invalid_credentials');
  });

  test('without a token nobody elsewhere gets in', async () => {
    const closed = await createTestApp({
      change: ({ metrics }) => ({
        metrics: { ...metrics!, export: { ...metrics!.export, access: { token: null, isBehindProxy: false } } },
      }),
    });
    expect(await codeOf(bearer('null'), closed, '192.0.2.1')).toBe('invalid_credentials');
    await closed.close();
  });

  test('where metrics are off there is no such route', async () => {
    const off = await createTestApp({ change: () => ({ metrics: undefined as never }) });
    expect(await codeOf({}, off)).toBe('not_found');
    await off.close();
  });
});

test('the text format is the default, and OpenMetrics is there for who asks, with the trace of a request', async () => {
  const { headers } = await api.inject({ url: '/livez' });
  const traceId = String(headers.traceparent).split('-')[1];
  const text = await api.inject({ url: '/metrics' });
  expect(text.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(text.body).not.toContain(traceId);
  const accept = 'application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5';
  const open = await api.inject({ url: '/metrics', headers: { accept } });
  expect(open.headers['content-type']).toContain('application/openmetrics-text');
  expect(open.body).toContain(`# {trace_id="${traceId}"}`);
  expect(open.body).toMatch(/# EOF\n$/);
});

test('requests are counted by template, method and class of status, problems by code', async () => {
  const ada = await api.registerUser();
  const series = (route: string, status: string) =>
    `http_server_request_duration_seconds_count{process="api",http_request_method="GET",http_route="${route}",status_class="${status}"}`;
  const problems = 'anyrag_http_problems_total{process="api",code="not_found"}';
  const before = await seriesValue(problems);
  await api.inject({ url: `/documents/${newId()}`, as: ada });
  await api.app.inject({ url: '/no/such/route' });
  expect(await seriesValue(series('/documents/:document_id', '4xx'))).toBe(1);
  expect(await seriesValue(series('not_found', '4xx'))).toBe(1);
  expect(await seriesValue(problems)).toBe(before + 2);
});

test('what the framework refuses by itself is counted as well', async () => {
  const before = await seriesValue('anyrag_http_problems_total{process="api",code="malformed_request"}');
  await api.app.inject({ url: '/documents/%E0%A4%A' });
  expect(await seriesValue('anyrag_http_problems_total{process="api",code="malformed_request"}')).toBe(before + 1);
});

test('requests in flight are those that have begun and not ended', async () => {
  // The scrape itself.
  expect(await seriesValue('http_server_active_requests{process="api",http_request_method="GET"}')).toBe(1);
  expect(await seriesValue('http_server_active_requests{process="api",http_request_method="GET"}')).toBe(1);
});

test('sign-ins are counted by way and outcome, denials by reason', async () => {
  const ada = await api.registerUser();
  const login = (password: string) =>
    api.inject({ method: 'POST', url: '/auth/login', payload: { email: ada.email, password } });
  const signIns = (outcome: string) => `anyrag_sign_ins_total{process="api",method="password",outcome="${outcome}"}`;
  await login('not the password at all');
  await login('correct horse battery staple');
  expect([await seriesValue(signIns('refused')), await seriesValue(signIns('succeeded'))]).toEqual([1, 1]);
  const denials = 'anyrag_access_denials_total{process="api",reason="forbidden"}';
  const before = await seriesValue(denials);
  await api.inject({ url: '/admin/stats', as: ada });
  await api.inject({ url: '/queues', as: ada });
  expect(await seriesValue(denials)).toBeGreaterThan(before);
});

test('requests over the limit are counted by route', async () => {
  const limited = await createTestApp({ ratePerMinute: 2 });
  const ada = await limited.registerUser();
  for (let i = 0; i < 4; i++) await limited.inject({ url: '/auth/me', as: ada });
  expect(await scrape(limited)).toContain('anyrag_rate_limit_refusals_total{process="api",http_route="/auth/me"} 2');
  await limited.close();
});

test('a thousand users, documents and wrong paths add no series', async () => {
  const owner = await api.registerUser();
  const rounds = Number(process.env.CARDINALITY_ROUNDS ?? 1_000);
  const round = async (n: number) => {
    await api.app.inject({ url: `/documents/${newId()}`, headers: { authorization: owner.authorization } });
    await api.app.inject({ url: `/wrong/${n}/${newId()}` });
    await api.app.inject({ url: `/jobs/${newId()}?x=${n}`, headers: { authorization: `Bearer user-${n}` } });
    await api.app.inject({ method: 'POST', url: '/ingest/text', payload: { text: `text ${n}` } });
  };
  await round(0);
  await scrape();
  const seriesIn = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;
  const before = seriesIn(await scrape());
  for (let n = 1; n <= rounds; n++) await round(n);
  const text = await scrape();
  expect(seriesIn(text)).toBe(before);
  expect(text).not.toContain(owner.userId);
}, 120_000);
