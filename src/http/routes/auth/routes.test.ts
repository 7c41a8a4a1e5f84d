import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TEST_PASSWORD, TEST_SECRET } from '../../../../test/harness/accounts.ts';
import { createTestApp, type TestApp, type TestAppOptions, type TestUser } from '../../../../test/harness/app.ts';
import { deriveSecrets } from '../../../access/index.ts';
import { createLoginThrottle } from '../../../accounts/index.ts';
import { sql } from '../../../db/sql.ts';

// The harness refuses every answer that the OpenAPI document does not declare.
let shared: TestApp;
/** The shared one, or one that the test has asked for. */
let app: TestApp;
let ada: TestUser;
let bobsEmail: string;
let tests = 0;

beforeAll(async () => {
  shared = await createTestApp();
});
afterAll(() => shared.close());
beforeEach(async () => {
  app = shared;
  ada = await app.registerUser(`ada${++tests}@example.com`);
  bobsEmail = `bob${tests}@example.com`;
});
afterEach(async () => {
  if (app !== shared) await app.close();
});

async function useApp(options: TestAppOptions): Promise<void> {
  app = await createTestApp(options);
}

async function post(url: string, payload: unknown, as?: TestUser) {
  const response = await app.inject({ method: 'POST', url, as, payload: payload as object });
  return {
    status: response.statusCode,
    headers: response.headers,
    body: response.body === '' ? null : response.json(),
  };
}

async function get(url: string, as?: TestUser) {
  const response = await app.inject({ method: 'GET', url, as });
  return { status: response.statusCode, headers: response.headers, body: response.json() };
}

const login = (input: { email?: string; password?: string } = {}) =>
  post('/auth/login', { email: ada.email, password: TEST_PASSWORD, ...input });
const tokensOf = (body: { access_token: string }): TestUser => ({
  ...ada,
  token: body.access_token,
  authorization: `Bearer ${body.access_token}`,
});
/** A problem without what differs from one request to the next. */
const problem = ({ trace_id, instance, ...rest }: Record<string, unknown>) => rest;

describe('POST /auth/register', () => {
  test('answers the user and tokens, to be kept by nobody in between', async () => {
    const { status, headers, body } = await post('/auth/register', {
      email: ` ${bobsEmail.toUpperCase()}`,
      password: TEST_PASSWORD,
      name: 'Bob',
    });
    expect(status).toBe(201);
    expect(headers['cache-control']).toBe('no-store');
    expect(body).toEqual({
      user: {
        user_id: expect.stringMatching(/^[0-9a-f]{64}$/),
        email: bobsEmail,
        name: 'Bob',
        created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      },
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 600,
      refresh_token: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  test('is 409 for an address that is taken', async () => {
    const { status, body } = await post('/auth/register', { email: ada.email.toUpperCase(), password: TEST_PASSWORD });
    expect([status, body.code]).toEqual([409, 'email_taken']);
  });

  test.each(['closed', 'invite'] as const)('is 403 while registration is %s', async (registration) => {
    await useApp({ auth: { registration } });
    const { status, body } = await post('/auth/register', { email: bobsEmail, password: TEST_PASSWORD });
    expect([status, body.code]).toEqual([403, 'registration_closed']);
  });

  test.each([
    ['no address', { email: undefined }, 'body.email'],
    ['a bad address', { email: 'nonsense' }, 'body.email'],
    ['a short password', { password: 'short' }, 'body.password'],
    ['a password that is a number', { password: 123_456_789_012 }, 'body.password'],
    ['an endless password', { password: 'x'.repeat(10_000) }, 'body.password'],
    ['an empty name', { name: ' ' }, 'body.name'],
    ['a role', { role: 'super_admin' }, 'body.role'],
    ['system roles', { system_roles: ['super_admin'] }, 'body.system_roles'],
    ['an id', { user_id: 'f'.repeat(64) }, 'body.user_id'],
  ])('is 400 for %s and makes nobody', async (_, changes, path) => {
    const { status, body } = await post('/auth/register', {
      email: bobsEmail,
      password: TEST_PASSWORD,
      ...changes,
    });
    expect([status, body.code]).toEqual([400, 'validation_failed']);
    expect(body.errors[0].path).toBe(path);
    expect((await login({ email: bobsEmail })).status).toBe(401);
  });
});

describe('POST /auth/login', () => {
  test('answers as registering does', async () => {
    const { status, headers, body } = await login();
    expect([status, headers['cache-control']]).toEqual([200, 'no-store']);
    expect(body).toMatchObject({ user: { user_id: ada.userId, email: ada.email, name: null } });
    expect((await get('/auth/me', tokensOf(body))).status).toBe(200);
  });

  test('is the same 401 for a wrong address, a wrong password and a disabled user', async () => {
    const wrongPassword = await login({ password: 'wrong horse battery staple' });
    const wrongAddress = await login({ email: 'eve@example.com' });
    const noAddress = await login({ email: 'nonsense' });
    await app.execute(sql`UPDATE users SET status = 'disabled' WHERE user_id = ${ada.userId}`);
    const disabled = await login();
    expect(wrongPassword).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
    for (const other of [wrongAddress, noAddress, disabled]) {
      expect(problem(other.body)).toEqual(problem(wrongPassword.body));
      expect(Object.keys(other.headers)).toEqual(Object.keys(wrongPassword.headers));
    }
  });

  test('is 429 with Retry-After after ten failures, by the address of the connection and not by what a caller claims', async () => {
    await useApp({ auth: { throttle: createLoginThrottle(deriveSecrets(TEST_SECRET), () => 0) } });
    const guess = (forwarded: string) =>
      app.inject({
        method: 'POST',
        url: '/auth/login',
        headers: { 'x-forwarded-for': forwarded },
        payload: { email: ada.email, password: 'wrong horse battery staple' },
      });
    for (let i = 0; i < 10; i++) expect((await guess(`198.51.${i}.1`)).statusCode).toBe(401);
    const eleventh = await guess('198.51.100.1');
    expect(eleventh.statusCode).toBe(429);
    expect(eleventh.headers['retry-after']).toBe('1');
  });
});

describe('POST /auth/refresh', () => {
  test('answers the next tokens; a spent one is 401 and takes the session with it', async () => {
    const first = (await login()).body;
    const second = await post('/auth/refresh', { refresh_token: first.refresh_token });
    expect(second).toMatchObject({ status: 200, body: { user: first.user, token_type: 'Bearer', expires_in: 600 } });
    expect(second.headers['cache-control']).toBe('no-store');

    const again = await post('/auth/refresh', { refresh_token: first.refresh_token });
    expect([again.status, again.body.code]).toEqual([401, 'invalid_credentials']);
    expect((await get('/auth/me', tokensOf(second.body))).status).toBe(401);
    expect((await post('/auth/refresh', { refresh_token: second.body.refresh_token })).status).toBe(401);
    expect((await get('/auth/me', ada)).status).toBe(200);
  });

  test('is 400 without a token', async () => {
    expect((await post('/auth/refresh', {})).status).toBe(400);
  });
});

describe('POST /auth/logout', () => {
  test('ends the session with the answer, and only this one', async () => {
    const other = tokensOf((await login()).body);
    const response = await app.inject({ method: 'POST', url: '/auth/logout', as: ada });
    expect([response.statusCode, response.body]).toEqual([204, '']);
    expect((await get('/auth/me', ada)).status).toBe(401);
    expect((await get('/auth/me', other)).status).toBe(200);
  });

  test('is 401 without credentials and 403 with an API key', async () => {
    expect((await app.inject({ method: 'POST', url: '/auth/logout' })).statusCode).toBe(401);
    const key = await app.createKey(ada, ['read', 'manage']);
    expect((await app.inject({ method: 'POST', url: '/auth/logout', as: key })).statusCode).toBe(403);
  });
});

describe('GET /auth/me', () => {
  test('answers who the caller is, with roles and groups', async () => {
    await app.execute(
      sql`INSERT INTO groups (group_id, name, created_at, updated_at) VALUES ('g', 'Astronomy', 0, 0)`,
      sql`INSERT INTO group_memberships (group_id, user_id, role, created_at, updated_at)
        VALUES ('g', ${ada.userId}, 'editor', 0, 0)`,
      sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${ada.userId}, 'operator', 0)`,
    );
    expect((await get('/auth/me', ada)).body).toEqual({
      user_id: ada.userId,
      email: ada.email,
      name: null,
      system_roles: ['operator'],
      groups: [{ group_id: 'g', name: 'Astronomy', role: 'editor' }],
    });
  });

  test('needs a user: 401 for guests, also where they are welcome elsewhere', async () => {
    await useApp({ allowGuestRead: true, allowGuestIngestion: true });
    expect(await get('/auth/me')).toMatchObject({ status: 401, body: { code: 'unauthenticated' } });
  });

  test.each(['', 'Bearer', 'Bearer nonsense', 'Basic YTpi', 'Bearer rag_x'])(
    'is 401 with the bad credential %j, never a guest',
    async (authorization) => {
      await useApp({ allowGuestRead: true });
      const response = await app.inject({ method: 'GET', url: '/auth/me', headers: { authorization } });
      expect(response.statusCode).toBe(401);
    },
  );

  test('takes an API key with the scope read, and no other', async () => {
    expect((await get('/auth/me', await app.createKey(ada, ['read']))).body.user_id).toBe(ada.userId);
    expect((await get('/auth/me', await app.createKey(ada, ['search']))).status).toBe(403);
  });
});

describe('/auth/api-keys', () => {
  const create = (body: object = {}, as = ada) => post('/auth/api-keys', { name: 'laptop', ...body }, as);

  test('shows the secret once, and the key without it from then on', async () => {
    const expires_at = new Date(Date.now() + 3_600_000).toISOString();
    const created = await create({ scopes: ['search'], expires_at });
    expect(created.status).toBe(201);
    expect(created.headers['cache-control']).toBe('no-store');
    const { secret, ...key } = created.body;
    expect(secret).toMatch(/^rag_/);
    expect(key).toEqual({
      key_id: expect.any(String),
      name: 'laptop',
      scopes: ['search'],
      level_cap: null,
      group_id: null,
      created_at: expect.any(String),
      expires_at,
      last_used_at: null,
    });
    expect((await get('/auth/api-keys', ada)).body).toEqual({ items: [key], next_cursor: null });
  });

  test('takes a time with an offset', async () => {
    const { body } = await create({ expires_at: '2999-01-01T02:00:00+02:00' });
    expect(body.expires_at).toBe('2999-01-01T00:00:00.000Z');
  });

  test.each([
    ['no name', { name: undefined }],
    ['a scope there is not', { scopes: ['everything'] }],
    ['no scopes in a list', { scopes: [] }],
    ['a date without a time', { expires_at: '2999-01-01' }],
    ['a time that has passed', { expires_at: '2001-01-01T00:00:00Z' }],
    ['an owner', { user_id: 'x' }],
  ])('is 400 for %s', async (_, body) => {
    expect(await create(body)).toMatchObject({ status: 400, body: { code: 'validation_failed' } });
  });

  test('are not for those who come with a key: 403, and 401 for guests', async () => {
    const key = await app.createKey(ada, ['read', 'search', 'ingest', 'manage']);
    expect((await create({}, key)).status).toBe(403);
    expect((await get('/auth/api-keys', key)).status).toBe(403);
    expect((await get('/auth/api-keys')).status).toBe(401);
  });

  test('are listed page by page', async () => {
    for (let i = 0; i < 3; i++) await create();
    const first = (await get('/auth/api-keys?limit=2', ada)).body;
    const second = (await get(`/auth/api-keys?limit=2&cursor=${first.next_cursor}`, ada)).body;
    expect([first.items.length, second.items.length, second.next_cursor]).toEqual([2, 1, null]);
    const ids = [...first.items, ...second.items].map((key: { key_id: string }) => key.key_id);
    expect(new Set(ids).size).toBe(3);
  });

  test.each(['limit=0', 'limit=101', 'limit=x', 'cursor=nonsense', 'page=2'])('are 400 with ?%s', async (query) => {
    expect((await get(`/auth/api-keys?${query}`, ada)).status).toBe(400);
  });

  test('are deleted by their user; for others they do not exist', async () => {
    const { key_id, secret } = (await create()).body;
    const bob = await app.registerUser(bobsEmail);
    const remove = async (as: TestUser, id: string) =>
      app.inject({ method: 'DELETE', url: `/auth/api-keys/${id}`, as });
    const foreign = await remove(bob, key_id);
    const unknown = await remove(bob, 'unknown');
    expect([foreign.statusCode, problem(foreign.json())]).toEqual([404, problem(unknown.json())]);
    expect((await remove(ada, key_id)).statusCode).toBe(204);
    expect((await get('/auth/me', { ...ada, authorization: `Bearer ${secret}` })).status).toBe(401);
  });

  test('of a wrong id and of a wrong secret get the same answer', async () => {
    const { secret } = (await create()).body;
    const guesses = [secret.replace(/^rag_.{8}/, 'rag_00000000'), `${secret.slice(0, -10)}${secret.slice(-9)}x`];
    const [a, b] = await Promise.all(
      guesses.map((guess) => get('/auth/me', { ...ada, authorization: `Bearer ${guess}` })),
    );
    expect(a!.status).toBe(401);
    expect(problem(a!.body)).toEqual(problem(b!.body));
  });
});

test('GET /.well-known/jwks.json has public keys only, also before anybody has signed in', async () => {
  await useApp({});
  const { status, headers, body } = await get('/.well-known/jwks.json');
  expect([status, headers['cache-control']]).toEqual([200, 'public, max-age=300']);
  expect(body.keys).toEqual([
    {
      kty: 'OKP',
      crv: 'Ed25519',
      use: 'sig',
      alg: 'EdDSA',
      kid: expect.any(String),
      x: expect.stringMatching(/^[\w-]{43}$/),
    },
  ]);
});

test('neither addresses nor passwords nor tokens come into the log', async () => {
  const { body } = await login();
  const key = await app.createKey(ada, ['read']);
  await get('/auth/me', key);
  await login({ password: 'wrong horse battery staple' });
  await post('/auth/refresh', { refresh_token: body.refresh_token });
  const log = app.logLines.join('');
  expect(log).toContain('/auth/login');
  for (const secret of [ada.email, 'horse battery', body.access_token, body.refresh_token, key.token]) {
    expect(log).not.toContain(secret);
  }
});
