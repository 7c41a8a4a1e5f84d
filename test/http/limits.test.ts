import { afterEach, describe, expect, test } from 'vitest';
import { deriveSecrets } from '../../src/access/index.ts';
import { createLoginThrottle } from '../../src/accounts/index.ts';
import { TEST_PASSWORD, TEST_SECRET } from '../harness/accounts.ts';
import { createTestApp, type TestApp, type TestAppOptions } from '../harness/app.ts';

const BEHIND_PROXY = { trustProxy: ['127.0.0.1/32'] };

let app: TestApp;
afterEach(() => app.close());

async function useApp(options: TestAppOptions): Promise<void> {
  app = await createTestApp({ ...BEHIND_PROXY, ...options });
}

async function statusOf(url: string, from: string, authorization?: string): Promise<number> {
  const headers = { 'x-forwarded-for': from, ...(authorization !== undefined && { authorization }) };
  return (await app.inject({ url, headers })).statusCode;
}

describe('requests that come to nothing are limited by address:', () => {
  test.each([
    ['bad tokens', '/documents', 'Bearer nonsense', 401],
    ['bad API keys', '/documents', `Bearer rag_${'0'.repeat(36)}_${'x'.repeat(43)}_00000000`, 401],
    ['no credentials where some are needed', '/documents', undefined, 401],
    ['routes that there are none of', '/nowhere', undefined, 404],
  ])('%s', async (_, url, authorization, status) => {
    await useApp({ ratePerMinute: 3 });
    for (let i = 0; i < 3; i++) expect(await statusOf(url, '192.0.2.1', authorization)).toBe(status);
    const headers = { 'x-forwarded-for': '192.0.2.1', ...(authorization !== undefined && { authorization }) };
    const refused = await app.inject({ url, headers });
    expect([refused.statusCode, refused.json().code]).toEqual([429, 'rate_limited']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50);
    expect(await statusOf(url, '192.0.2.2', authorization)).toBe(status);
  });

  test('all of them together, while whoever has good credentials goes on', async () => {
    await useApp({ ratePerMinute: 3 });
    const ada = await app.registerUser();
    for (let i = 0; i < 2; i++) await statusOf('/nowhere', '192.0.2.1');
    for (let i = 0; i < 2; i++) await statusOf('/documents', '192.0.2.1', 'Bearer nonsense');
    expect(await statusOf('/documents', '192.0.2.1', 'Bearer nonsense')).toBe(429);
    expect(await statusOf('/documents', '192.0.2.1', ada.authorization)).toBe(200);
  });
});

describe('of IPv6 the network is limited, not the address:', () => {
  const [one, same, other] = ['2001:db8:1:200::1', '2001:db8:1:2ff:ffff::2', '2001:db8:1:300::1'];

  test('guests', async () => {
    await useApp({ ratePerMinute: 2 });
    const read = (from: string) => statusOf('/.well-known/jwks.json', from);
    expect([await read(one), await read(same), await read(one), await read(same)]).toEqual([200, 200, 429, 429]);
    expect(await read(other)).toBe(200);
  });

  test('refused requests', async () => {
    await useApp({ ratePerMinute: 2 });
    const read = (from: string) => statusOf('/nowhere', from);
    expect([await read(one), await read(same), await read(one)]).toEqual([404, 404, 429]);
    expect(await read(other)).toBe(404);
  });
});

describe('guessing a password', () => {
  const signIn = async (from: string, password: string) => {
    const payload = { email: 'ada@example.com', password };
    const headers = { 'x-forwarded-for': from };
    return (await app.inject({ method: 'POST', url: '/auth/login', headers, payload })).statusCode;
  };

  test('fifty times leaves the owner free to sign in from another network', async () => {
    await useApp({ auth: { throttle: createLoginThrottle(deriveSecrets(TEST_SECRET)) } });
    await app.registerUser('ada@example.com');
    const guesses = [];
    for (let i = 0; i < 50; i++) guesses.push(await signIn(`192.0.2.${i}`, 'wrong horse battery staple'));
    expect(new Set(guesses)).toEqual(new Set([401, 429]));
    expect(guesses.filter((status) => status === 401).length).toBeLessThan(15);
    expect(await signIn('192.0.2.1', TEST_PASSWORD)).toBe(429);
    expect(await signIn('198.51.100.1', TEST_PASSWORD)).toBe(200);
    expect(await signIn('2001:db8::1', TEST_PASSWORD)).toBe(200);
  });
});
