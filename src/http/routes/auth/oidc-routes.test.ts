import { createHash, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type FakeIdentityProvider, startFakeIdentityProvider } from '../../../../test/fakes/identity-provider.ts';
import { TEST_PASSWORD } from '../../../../test/harness/accounts.ts';
import { createTestApp, type TestApp, type TestAppOptions, type TestUser } from '../../../../test/harness/app.ts';
import { createOidcProvider, type OidcLog } from '../../../accounts/index.ts';
import { sql } from '../../../db/sql.ts';

const PUBLIC_URL = 'http://localhost:9090';
const CALLBACK = '/auth/oidc/example/callback';
const RETURN_TO = 'https://app.example.com/signed-in';
const ADA = 'ada@example.com';

let provider: FakeIdentityProvider;
let app: TestApp;
let warnings: unknown[];

beforeAll(async () => {
  provider = await startFakeIdentityProvider(PUBLIC_URL + CALLBACK);
});
afterAll(() => provider.close());
beforeEach(async () => {
  provider.reset();
  app = await appWith();
});
afterEach(() => app.close());

function appWith(options: TestAppOptions = {}): Promise<TestApp> {
  warnings = [];
  const log: OidcLog = { warn: (fields) => warnings.push(fields) };
  const { issuer, clientId, clientSecret } = provider;
  const settings = { issuer, clientId, clientSecret };
  const providers = ['example', 'other'].map((name) => [name, createOidcProvider({ name, ...settings }, log)] as const);
  return createTestApp({
    ...options,
    auth: { publicUrl: PUBLIC_URL, oidcProviders: new Map(providers), oidcReturnUrls: [RETURN_TO], ...options.auth },
  });
}

async function useApp(options: TestAppOptions): Promise<void> {
  await app.close();
  app = await appWith(options);
}

/** A browser that was sent to the provider, with what it has to bring back. */
interface Journey {
  cookie: string;
  answer: URL;
}

async function leave(query = '', name = 'example'): Promise<{ cookie: string; authorizationUrl: string }> {
  const response = await app.inject({ url: `/auth/oidc/${name}/login${query}` });
  expect(response.statusCode, response.body).toBe(302);
  return { cookie: cookieOf(response.headers['set-cookie']), authorizationUrl: response.headers.location! };
}

function cookieOf(header: unknown): string {
  return /^[^;]+/.exec(String(header))![0];
}

async function travel(query = ''): Promise<Journey> {
  const { cookie, authorizationUrl } = await leave(query);
  return { cookie, answer: await provider.visit(authorizationUrl) };
}

async function comeBack({ cookie, answer }: Journey) {
  const response = await app.inject({ url: answer.pathname + answer.search, headers: { cookie } });
  return {
    status: response.statusCode,
    headers: response.headers,
    body: response.body === '' ? null : response.json(),
  };
}

async function signIn() {
  return comeBack(await travel());
}

async function me(token: string) {
  return (await app.inject({ url: '/auth/me', headers: { authorization: `Bearer ${token}` } })).json();
}

const count = async (table: 'users' | 'sessions' | 'identities') => {
  const counts = sql`SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM sessions) AS sessions,
    (SELECT count(*) FROM user_identifiers WHERE kind = 'oidc') AS identities`;
  return (await app.db.query(counts))[0]![table];
};

describe('a sign-in at a provider', () => {
  test('makes an account with a proven address, and finds it again', async () => {
    const first = await signIn();
    expect(first.status).toBe(200);
    expect(first.headers['cache-control']).toBe('no-store');
    expect(first.body.user).toMatchObject({ email: ADA, name: 'Ada Lovelace' });
    expect(await me(first.body.access_token)).toMatchObject({ email: ADA });
    const [row] = await app.db.query(sql`SELECT email_state FROM users`);
    expect(row).toEqual({ email_state: 'proven' });
    expect((await signIn()).body.user).toEqual(first.body.user);
    expect(await count('users')).toBe(1);
  });

  test('sends the browser away with PKCE, a state and a nonce, and ties it to a cookie', async () => {
    const response = await app.inject({ url: '/auth/oidc/example/login' });
    const url = new URL(response.headers.location!);
    expect(url.origin).toBe(provider.issuer);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: 'anyrag',
      redirect_uri: PUBLIC_URL + CALLBACK,
      response_type: 'code',
      scope: 'openid email profile',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    });
    const attributes = /^anyrag_oidc=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/;
    expect(response.headers['set-cookie']).toMatch(attributes);
  });

  test('over HTTPS, ties it to a cookie that no other host can set', async () => {
    await useApp({ auth: { publicUrl: 'https://rag.example.com' } });
    const response = await app.inject({ url: '/auth/oidc/example/login' });
    expect(response.headers['set-cookie']).toMatch(
      /^__Host-anyrag_oidc=.*; Path=\/;.*; HttpOnly; SameSite=Lax; Secure$/,
    );
  });

  test('in two tabs of one browser works in both', async () => {
    const first = await leave();
    const second = await app.inject({ url: '/auth/oidc/example/login', headers: { cookie: first.cookie } });
    expect(cookieOf(second.headers['set-cookie'])).toBe(first.cookie);
    for (const url of [first.authorizationUrl, second.headers.location!]) {
      expect((await comeBack({ cookie: first.cookie, answer: await provider.visit(url) })).status).toBe(200);
    }
  });

  test('finds the account by issuer and subject, whatever the address has become', async () => {
    const { body } = await signIn();
    provider.person = { ...provider.person, email: 'lovelace@example.com', email_verified: false };
    expect((await signIn()).body.user).toEqual(body.user);
    provider.person = { sub: 'somebody-else', email: 'grace@example.com', email_verified: true };
    expect((await signIn()).body.user.user_id).not.toBe(body.user.user_id);
  });

  test('shows nothing of the person in the database or the log', async () => {
    const { body } = await signIn();
    const [identities, audit] = [
      await app.db.query(sql`SELECT * FROM user_identifiers`),
      await app.db.query(sql`SELECT * FROM audit_log`),
    ];
    const told = app.logLines.join('') + JSON.stringify([identities, audit, warnings]);
    for (const secret of [ADA, 'Lovelace', 'ada-at-provider', body.access_token, provider.clientSecret]) {
      expect(told).not.toContain(secret);
    }
    const actions = (audit as { action: string }[]).map(({ action }) => action);
    expect(actions).toEqual(['user.registered', 'identity.linked', 'session.started']);
  });
});

describe('an answer is refused, and signs nobody in,', () => {
  const altered = (name: string, value: string | null) => (journey: Journey) => {
    const answer = new URL(journey.answer);
    if (value === null) answer.searchParams.delete(name);
    else answer.searchParams.set(name, value);
    return { ...journey, answer };
  };

  test.each<[string, (journey: Journey) => Journey | Promise<Journey>, number]>([
    ['with another state', altered('state', 'x'.repeat(43)), 403],
    ['without a state', altered('state', null), 400],
    ['with another code', altered('code', 'x'.repeat(43)), 403],
    ['without a code', altered('code', null), 403],
    ['of another issuer', altered('iss', 'https://evil.example.com'), 403],
    ['without the issuer that the provider announces', altered('iss', null), 403],
    ['without the cookie', (journey) => ({ ...journey, cookie: '' }), 403],
    ['with the cookie of another browser', async (journey) => ({ ...journey, cookie: (await leave()).cookie }), 403],
    [
      'with a code from another sign-in (code injection)',
      async (journey) => altered('code', (await travel()).answer.searchParams.get('code'))(journey),
      403,
    ],
    [
      'at the callback of another provider (mix-up)',
      (journey) => ({ ...journey, answer: new URL(journey.answer.href.replace('/example/', '/other/')) }),
      403,
    ],
    [
      'at the callback of no provider',
      (journey) => ({ ...journey, answer: new URL(journey.answer.href.replace('/example/', '/no/')) }),
      404,
    ],
  ])('%s', async (_, alter, status) => {
    const result = await comeBack(await alter(await travel()));
    expect(result.status).toBe(status);
    expect(result.body.code).toBe({ 400: 'validation_failed', 403: 'identity_refused', 404: 'not_found' }[status]);
    expect(await count('sessions')).toBe(0);
  });

  test.each([
    ['when the nonce in the token is another one', sql`UPDATE oidc_attempts SET nonce = 'another'`],
    ['after ten minutes', sql`UPDATE oidc_attempts SET expires_at = expires_at - 600000`],
  ])('%s', async (_, change) => {
    const journey = await travel();
    await app.execute(change);
    expect(await comeBack(journey)).toMatchObject({ status: 403, body: { code: 'identity_refused' } });
    expect(await count('sessions')).toBe(0);
  });

  test('the second time', async () => {
    const journey = await travel();
    expect((await comeBack(journey)).status).toBe(200);
    expect(await comeBack(journey)).toMatchObject({ status: 403, body: { code: 'identity_refused' } });
    expect(await count('sessions')).toBe(1);
  });

  test('when twenty come at once, but for one', async () => {
    const journey = await travel();
    const results = await Promise.all(Array.from({ length: 20 }, () => comeBack(journey)));
    expect(results.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(await count('sessions')).toBe(1);
  });

  test('when its token is signed with a key that the provider does not publish', async () => {
    provider.publishesOtherKeys = true;
    expect(await signIn()).toMatchObject({ status: 403, body: { code: 'identity_refused' } });
    expect(await count('users')).toBe(0);
  });

  test('when the person refuses, which the operator can see', async () => {
    provider.isRefusing = true;
    expect(await signIn()).toMatchObject({ status: 403, body: { code: 'identity_refused' } });
    expect(warnings).toEqual([{ event: 'oidc.failed', provider: 'example', reason: 'access_denied' }]);
  });

  test.each([
    ['not verified', { email_verified: false }],
    ['verified by no word', { email_verified: undefined }],
    ['missing', { email: undefined }],
    ['no address', { email: 'nonsense' }],
  ])('when the address is %s', async (_, claims) => {
    provider.person = { ...provider.person, ...claims } as typeof provider.person;
    expect(await signIn()).toMatchObject({ status: 403, body: { code: 'identity_refused' } });
    expect(await count('users')).toBe(0);
  });
});

describe('a provider that', () => {
  test('cannot be reached is a 503', async () => {
    const own = await startFakeIdentityProvider(PUBLIC_URL + CALLBACK);
    const { issuer, clientId, clientSecret } = own;
    const away = createOidcProvider({ name: 'example', issuer, clientId, clientSecret });
    await useApp({ auth: { oidcProviders: new Map([['example', away]]) } });
    await own.close();
    const response = await app.inject({ url: '/auth/oidc/example/login' });
    expect([response.statusCode, response.json().code]).toEqual([503, 'identity_provider_unavailable']);
    expect(response.body).not.toContain(issuer);
  });

  test('does not know our secret is a mistake of the set-up', async () => {
    const { issuer, clientId } = provider;
    const wrong = createOidcProvider({ name: 'example', issuer, clientId, clientSecret: 'wrong' });
    await useApp({ auth: { oidcProviders: new Map([['example', wrong]]) } });
    expect(await signIn()).toMatchObject({ status: 503, body: { code: 'identity_provider_unavailable' } });
  });

  test('is not set up is a 404', async () => {
    expect((await app.inject({ url: '/auth/oidc/unknown/login' })).statusCode).toBe(404);
  });
});

describe('an identity with the address of an account', () => {
  const setState = (state: string) => app.execute(sql`UPDATE users SET email_state = ${state}`);

  test('does not get in where the address was taken as given', async () => {
    await app.registerUser(ADA);
    expect(await signIn()).toMatchObject({ status: 409, body: { code: 'link_needs_password' } });
    expect(await count('identities')).toBe(0);
  });

  test('belongs to it where mail has proven the address', async () => {
    const ada = await app.registerUser(ADA);
    await setState('proven');
    expect((await signIn()).body.user.user_id).toBe(ada.userId);
    expect((await me(ada.token)).email).toBe(ADA);
  });

  test('takes it from whoever made it where nobody has proven the address', async () => {
    const thief = await app.registerUser(ADA);
    const key = await app.createKey(thief, ['read']);
    await setState('unproven');
    const { body } = await signIn();
    expect(body.user.user_id).toBe(thief.userId);
    for (const as of [thief, key]) expect((await app.inject({ url: '/auth/me', as })).statusCode).toBe(401);
    const login = { email: ADA, password: TEST_PASSWORD };
    expect((await app.inject({ method: 'POST', url: '/auth/login', payload: login })).statusCode).toBe(401);
  });

  test('does not leave the thief an identity that they have linked before', async () => {
    const thief = await app.registerUser(ADA);
    const owner = provider.person;
    provider.person = { sub: 'thief', email: 'thief@example.com', email_verified: true };
    expect((await link(thief)).status).toBe(200);
    await setState('unproven');
    provider.person = owner;
    expect((await signIn()).body.user.user_id).toBe(thief.userId);
    provider.person = { sub: 'thief', email: 'thief@example.com', email_verified: true };
    expect((await signIn()).body.user.user_id).not.toBe(thief.userId);
  });

  test('comes first: whoever registers the address with a password later gets nowhere', async () => {
    await signIn();
    const payload = { email: ADA, password: TEST_PASSWORD };
    const response = await app.inject({ method: 'POST', url: '/auth/register', payload });
    expect(response.json().code).toBe('email_taken');
  });

  test('opens no disabled account', async () => {
    await signIn();
    await app.execute(sql`UPDATE users SET status = 'disabled'`);
    expect(await signIn()).toMatchObject({ status: 401, body: { code: 'invalid_credentials' } });
  });

  test.each(['closed', 'invite'] as const)('makes no account while registration is %s', async (registration) => {
    await useApp({ auth: { registration } });
    expect(await signIn()).toMatchObject({ status: 403, body: { code: 'registration_closed' } });
  });
});

async function beginLink(user: TestUser, password = TEST_PASSWORD) {
  return app.inject({ method: 'POST', url: '/auth/oidc/example/link', as: user, payload: { password } });
}

async function link(user: TestUser) {
  const begun = await beginLink(user);
  const answer = await provider.visit(begun.json().authorization_url);
  return comeBack({ cookie: cookieOf(begun.headers['set-cookie']), answer });
}

describe('linking an identity', () => {
  test('takes the password, and signs in to that account from then on', async () => {
    const grace = await app.registerUser('grace@example.com');
    const refused = await beginLink(grace, 'wrong horse battery staple');
    expect([refused.statusCode, refused.json().code]).toEqual([403, 'wrong_password']);
    expect((await link(grace)).body.user.user_id).toBe(grace.userId);
    expect((await signIn()).body.user.user_id).toBe(grace.userId);
  });

  test('of somebody else is refused', async () => {
    await signIn();
    const grace = await app.registerUser('grace@example.com');
    expect(await link(grace)).toMatchObject({ status: 409, body: { code: 'conflict' } });
  });

  test('that was begun before the password changed comes to nothing', async () => {
    const grace = await app.registerUser('grace@example.com');
    const begun = await beginLink(grace);
    const payload = { current_password: TEST_PASSWORD, new_password: 'another horse battery staple' };
    await app.inject({ method: 'POST', url: '/auth/password', as: grace, payload });
    const answer = await provider.visit(begun.json().authorization_url);
    const result = await comeBack({ cookie: cookieOf(begun.headers['set-cookie']), answer });
    expect(result).toMatchObject({ status: 403, body: { code: 'identity_refused' } });
  });
});

describe('a sign-in for a program behind a page', () => {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  const query = `?return_to=${encodeURIComponent(RETURN_TO)}&code_challenge=${challenge}`;
  const exchange = async (code: string | null, code_verifier = verifier) => {
    const payload = { code, code_verifier };
    const response = await app.inject({ method: 'POST', url: '/auth/oidc/token', payload });
    return { status: response.statusCode, body: response.json() };
  };
  const codeIn = (location: unknown) =>
    /^https:\/\/app\.example\.com\/signed-in#code=([\w-]{43})$/.exec(String(location))![1]!;

  test('sends the browser back with a code, which gives the tokens once to whoever began it', async () => {
    const { status, headers, body } = await comeBack(await travel(query));
    expect([status, body]).toEqual([303, null]);
    const code = codeIn(headers.location);
    expect(await count('sessions')).toBe(0);
    const stolen = await exchange(code, randomBytes(32).toString('base64url'));
    expect(stolen).toMatchObject({ status: 422, body: { code: 'invalid_token' } });
    const { status: got, body: signedIn } = await exchange(code);
    expect([got, signedIn.user.email]).toEqual([200, ADA]);
    expect((await exchange(code)).status).toBe(422);
    expect(await count('sessions')).toBe(1);
  });

  test('twenty times at once gives the tokens once', async () => {
    const code = codeIn((await comeBack(await travel(query))).headers.location);
    const results = await Promise.all(Array.from({ length: 20 }, () => exchange(code)));
    expect(results.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test('is over after a minute', async () => {
    const code = codeIn((await comeBack(await travel(query))).headers.location);
    await app.execute(sql`UPDATE sign_in_codes SET expires_at = expires_at - 60000`);
    expect((await exchange(code)).status).toBe(422);
  });

  test('that fails sends the browser back with the error', async () => {
    provider.isRefusing = true;
    const { status, headers } = await comeBack(await travel(query));
    expect([status, headers.location]).toEqual([303, `${RETURN_TO}#error=identity_refused`]);
  });

  test.each([
    ['another site', `?return_to=https://evil.example.com/&code_challenge=${challenge}`],
    ['below an allowed URL', `?return_to=${RETURN_TO}/../evil&code_challenge=${challenge}`],
    ['an allowed URL with more to it', `?return_to=${RETURN_TO}%3Fnext=//evil&code_challenge=${challenge}`],
    [
      'an allowed host in another name',
      `?return_to=https://app.example.com.evil.com/signed-in&code_challenge=${challenge}`,
    ],
    ['a page without a challenge', `?return_to=${encodeURIComponent(RETURN_TO)}`],
    ['a challenge without a page', `?code_challenge=${challenge}`],
    ['a script', `?return_to=javascript:alert(1)&code_challenge=${challenge}`],
  ])('goes nowhere but to the URLs that are allowed: %s is a 400', async (_, bad) => {
    const response = await app.inject({ url: `/auth/oidc/example/login${bad}` });
    expect([response.statusCode, response.json().code]).toEqual([400, 'validation_failed']);
    expect(response.headers.location).toBeUndefined();
  });
});
