import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDocument, createUser, shareDocument } from '../../../../test/factories.ts';
import { type FakeMailServer, startFakeMailServer, tokenIn } from '../../../../test/fakes/mail-server.ts';
import { TEST_PASSWORD, TEST_SECRET } from '../../../../test/harness/accounts.ts';
import { createTestApp, type TestApp, type TestUser } from '../../../../test/harness/app.ts';
import { deriveSecrets } from '../../../access/index.ts';
import { createLoginThrottle } from '../../../accounts/index.ts';
import { now, sql } from '../../../db/sql.ts';
import { createMailer, type Mailer } from '../../../mail/index.ts';

const NEW_PASSWORD = 'another horse battery staple';
const ADA = 'ada@example.com';

let app: TestApp;
let mail: FakeMailServer;
let mailer: Mailer;

beforeEach(async () => {
  mail = await startFakeMailServer();
  mailer = createMailer({ url: mail.url, from: 'anyrag@example.org' });
  app = await createTestApp({ mailer });
});
afterEach(async () => {
  await app.close();
  mailer.close();
  await mail.close();
});

async function post(url: string, payload: object, as?: TestUser) {
  const response = await app.inject({ method: 'POST', url, as, payload });
  return { status: response.statusCode, body: response.body === '' ? null : response.json() };
}

const register = (email = ADA, password = TEST_PASSWORD) => post('/auth/register', { email, password });
const login = (password = TEST_PASSWORD, email = ADA) => post('/auth/login', { email, password });

async function signIn(password = TEST_PASSWORD, email = ADA): Promise<TestUser> {
  const { body } = await login(password, email);
  return { userId: body.user.user_id, email, token: body.access_token, authorization: `Bearer ${body.access_token}` };
}

/** The mail that the request made necessary. */
async function nextMail() {
  await app.runJobs();
  expect(mail.received).toHaveLength(1);
  return mail.received.pop()!;
}

async function emailState() {
  const rows = await app.execute(sql`SELECT email_state FROM users`);
  return rows[0]!.map((row) => row.email_state);
}

async function audited() {
  const [rows] = await app.execute(sql`SELECT action FROM audit_log ORDER BY seq`);
  return rows!.map((row) => row.action);
}

/** An account whose address is verified, as most are. */
async function provenUser(): Promise<TestUser> {
  await register();
  const token = tokenIn(await nextMail());
  const ada = await signIn();
  expect((await post('/auth/verify-email', { token }, ada)).status).toBe(204);
  return ada;
}

describe('registering where mail can be sent', () => {
  test('answers the same for an address that has an account, and tells only its owner', async () => {
    const first = await register();
    expect(first).toEqual({ status: 202, body: { status: 'check_mail' } });
    expect((await nextMail()).message).toContain('Subject: Verify your e-mail address');
    const ada = await signIn();
    await app.execute(sql`UPDATE users SET email_state = 'proven'`);

    expect(await register(ADA, NEW_PASSWORD)).toEqual(first);
    const notice = await nextMail();
    expect(notice.message).toContain('Subject: You have an account already');
    expect(notice.message).not.toContain('#token=');
    expect((await login(NEW_PASSWORD)).status).toBe(401);
    expect((await login()).body.user.user_id).toBe(ada.userId);
  });

  test('does the same work for both: a password is hashed and a mail is asked for', async () => {
    await register();
    await app.runJobs();
    const jobs = () => app.execute(sql`SELECT job_type, count(*) AS n FROM jobs WHERE status = 'pending' GROUP BY 1`);
    await register('eve@example.com');
    const [unknown] = await jobs();
    await app.runJobs();
    await register();
    expect((await jobs())[0]).toEqual(unknown);
  });

  test('gives an account that can be used, and neither joins groups nor receives shares before it is proven', async () => {
    await register();
    const ada = await signIn();
    expect(await emailState()).toEqual(['unproven']);
    await app.execute(sql`INSERT INTO groups (group_id, name, created_at, updated_at) VALUES ('g', 'Otters', 0, 0)`);
    const join = sql`INSERT INTO group_memberships (group_id, user_id, role, created_at, updated_at)
      VALUES ('g', ${ada.userId}, 'viewer', 0, 0)`;
    const share = sql`INSERT INTO resource_shares (share_id, resource_type, resource_id, grantee_user_id, level, created_at)
      VALUES ('s', 'document', 'd', ${ada.userId}, 1, 0)`;
    await expect(app.execute(join)).rejects.toThrow(/email_unproven/);
    await expect(app.execute(share)).rejects.toThrow(/email_unproven/);

    await post('/auth/verify-email', { token: tokenIn(await nextMail()) }, ada);
    expect(await emailState()).toEqual(['proven']);
    await app.execute(join, share);
  });
});

describe('POST /auth/verify-email', () => {
  test('takes the sign-in beside the token, so that nobody proves the account of somebody else', async () => {
    await register();
    const token = tokenIn(await nextMail());
    await register('eve@example.com');
    const eve = await signIn(TEST_PASSWORD, 'eve@example.com');
    expect((await post('/auth/verify-email', { token })).status).toBe(401);
    expect(await post('/auth/verify-email', { token }, eve)).toMatchObject({
      status: 422,
      body: { code: 'invalid_token' },
    });
    expect((await post('/auth/verify-email', { token }, await signIn())).status).toBe(204);
    expect(await audited()).toContain('email.proven');
  });

  test('takes a token once, the last one only, and not after a day', async () => {
    await register();
    const first = tokenIn(await nextMail());
    const ada = await signIn();
    expect(await post('/auth/verify-email/resend', {}, ada)).toMatchObject({ status: 202 });
    const second = tokenIn(await nextMail());
    expect((await post('/auth/verify-email', { token: first }, ada)).status).toBe(422);
    await app.execute(sql`UPDATE one_time_tokens SET expires_at = expires_at - 86400000`);
    expect((await post('/auth/verify-email', { token: second }, ada)).status).toBe(422);
    await app.execute(sql`UPDATE one_time_tokens SET expires_at = expires_at + 86400000`);
    expect((await post('/auth/verify-email', { token: second }, ada)).status).toBe(204);
    expect((await post('/auth/verify-email', { token: second }, ada)).status).toBe(422);
    await post('/auth/verify-email/resend', {}, ada);
    await app.runJobs();
    expect(mail.received).toEqual([]);
  });
});

describe('a reset by mail', () => {
  const request = (email = ADA) => post('/auth/password/reset-request', { email });
  const reset = (token: string, new_password = NEW_PASSWORD) => post('/auth/password/reset', { token, new_password });

  test('sets a new password once and ends every session; the owner is told', async () => {
    const ada = await provenUser();
    expect(await request()).toEqual({ status: 202, body: { status: 'check_mail' } });
    const token = tokenIn(await nextMail());
    expect((await reset(token)).status).toBe(204);
    expect((await app.inject({ url: '/auth/me', as: ada })).statusCode).toBe(401);
    expect((await login()).status).toBe(401);
    expect((await login(NEW_PASSWORD)).status).toBe(200);
    expect(await reset(token, TEST_PASSWORD)).toMatchObject({ status: 422, body: { code: 'invalid_token' } });
    expect((await nextMail()).message).toContain('Subject: Your password was changed');
    expect(await audited()).toContain('password.reset');
  });

  test('answers and works the same for addresses that nobody has, and sends nothing there', async () => {
    await provenUser();
    const known = await request();
    const jobs = sql`SELECT job_type FROM jobs WHERE status = 'pending'`;
    const [forKnown] = await app.execute(jobs);
    await app.runJobs();
    mail.received.length = 0;
    for (const email of ['eve@example.com', 'nonsense']) {
      expect(await request(email)).toEqual(known);
      expect((await app.execute(jobs))[0]).toEqual(forKnown);
      await app.runJobs();
    }
    expect(mail.received).toEqual([]);
  });

  test('goes to no disabled account', async () => {
    await provenUser();
    await app.execute(sql`UPDATE users SET status = 'disabled'`);
    await request();
    await app.runJobs();
    expect(mail.received).toEqual([]);
  });

  test('is asked for often, and one mail is sent while it waits', async () => {
    await provenUser();
    for (let i = 0; i < 5; i++) await request();
    await nextMail();
  });

  test('is over after half an hour, and with the next one', async () => {
    await provenUser();
    await request();
    const first = tokenIn(await nextMail());
    await request();
    const second = tokenIn(await nextMail());
    expect((await reset(first)).status).toBe(422);
    await app.execute(sql`UPDATE one_time_tokens SET expires_at = expires_at - 1800000`);
    expect((await reset(second)).status).toBe(422);
  });

  test('keeps its token when the new password is not good enough', async () => {
    await provenUser();
    await request();
    const token = tokenIn(await nextMail());
    const refused = await reset(token, 'short');
    expect([refused.status, refused.body.errors[0].path]).toEqual([400, 'body.new_password']);
    expect((await reset(token)).status).toBe(204);
  });

  test('twenty times at once with one token succeeds once', async () => {
    await provenUser();
    await request();
    const token = tokenIn(await nextMail());
    const answers = await Promise.all(Array.from({ length: 20 }, () => reset(token)));
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
  });

  test('of an account that somebody else has made with the address leaves them nothing', async () => {
    await register(ADA, 'a thief has chosen this one');
    const thief = await signIn('a thief has chosen this one');
    const key = await app.createKey(thief, ['read']);
    const { documentId } = await createDocument(app.db, {
      ownerId: thief.userId,
      source: 'https://example.com/report',
    });
    const { userId: accomplice } = await createUser(app.db);
    await shareDocument(app.db, documentId, { userId: accomplice });
    await post(`/documents/${documentId}/transfer`, { user_id: accomplice }, thief);
    await app.runJobs();
    mail.received.length = 0;
    await request();
    expect((await reset(tokenIn(await nextMail()))).status).toBe(204);
    // The owner may add the same source again, which makes it a version of the thief's document.
    for (const table of [sql`resource_shares`, sql`document_transfers`]) {
      expect((await app.execute(sql`SELECT * FROM ${table}`))[0]).toEqual([]);
    }
    for (const as of [thief, key]) expect((await app.inject({ url: '/auth/me', as })).statusCode).toBe(401);
    expect((await login('a thief has chosen this one')).status).toBe(401);
    expect((await login(NEW_PASSWORD)).status).toBe(200);
    expect(await emailState()).not.toContain('unproven');
    expect(await audited()).toEqual(expect.arrayContaining(['account.reclaimed', 'email.proven']));
  });

  test('leaves the keys of a proven account', async () => {
    const ada = await provenUser();
    const key = await app.createKey(ada, ['read']);
    await request();
    await reset(tokenIn(await nextMail()));
    expect((await app.inject({ url: '/auth/me', as: key })).statusCode).toBe(200);
  });
});

describe('POST /auth/password', () => {
  const change = (as: TestUser, current_password = TEST_PASSWORD, new_password = NEW_PASSWORD) =>
    post('/auth/password', { current_password, new_password }, as);

  test('changes the password and ends the other sessions and pending resets; the owner is told', async () => {
    const ada = await provenUser();
    const other = await signIn();
    await post('/auth/password/reset-request', { email: ADA });
    const token = tokenIn(await nextMail());
    expect((await change(ada)).status).toBe(204);
    expect((await app.inject({ url: '/auth/me', as: ada })).statusCode).toBe(200);
    expect((await app.inject({ url: '/auth/me', as: other })).statusCode).toBe(401);
    expect([(await login()).status, (await login(NEW_PASSWORD)).status]).toEqual([401, 200]);
    expect((await post('/auth/password/reset', { token, new_password: TEST_PASSWORD })).status).toBe(422);
    expect((await nextMail()).message).toContain('Subject: Your password was changed');
    expect(await audited()).toContain('password.changed');
  });

  test.each([
    ['a wrong current one', 'wrong horse battery staple', NEW_PASSWORD, 403, 'wrong_password'],
    ['a short new one', TEST_PASSWORD, 'short', 400, 'validation_failed'],
  ])('is refused for %s', async (_, current, next, status, code) => {
    const ada = await provenUser();
    expect(await change(ada, current, next)).toMatchObject({ status, body: { code } });
    expect((await login()).status).toBe(200);
  });

  test('is no way around the slowing down of guesses', async () => {
    await app.close();
    app = await createTestApp({ auth: { throttle: createLoginThrottle(deriveSecrets(TEST_SECRET), () => 0) } });
    const ada = await app.registerUser(ADA);
    for (let i = 0; i < 10; i++) expect((await change(ada, 'wrong horse battery staple')).status).toBe(403);
    expect(await change(ada)).toMatchObject({ status: 429 });
  });
});

describe('where no mail can be sent', () => {
  beforeEach(async () => {
    await app.close();
    app = await createTestApp();
  });

  test('an address is taken as given, and mail is refused in words', async () => {
    const ada = await app.registerUser(ADA);
    expect(await emailState()).toEqual(['assumed']);
    for (const url of ['/auth/password/reset-request', '/auth/verify-email/resend']) {
      const answer = await post(url, url.endsWith('request') ? { email: ADA } : {}, ada);
      expect(answer).toMatchObject({ status: 422, body: { code: 'mail_not_set_up' } });
    }
  });

  test('a super_admin hands out a link that sets a password once and proves nothing', async () => {
    const ada = await app.registerUser(ADA);
    const admin = await app.registerUser();
    await app.execute(
      sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${admin.userId}, 'super_admin', 0)`,
    );
    const url = `/users/${ada.userId}/password-reset-link`;
    expect((await post(url, {}, ada)).status).toBe(403);
    expect((await post('/users/unknown/password-reset-link', {}, admin)).status).toBe(404);
    const signedInAgo = (ms: number) => app.execute(sql`UPDATE sessions SET created_at = ${now} - ${ms}`);
    await signedInAgo(301_000);
    expect(await post(url, {}, admin)).toMatchObject({ status: 403, body: { code: 'sign_in_again' } });
    await signedInAgo(0);
    const { status, body } = await post(url, {}, admin);
    expect(status).toBe(201);
    expect(body.url).toBe(`http://localhost:9090/reset-password#token=${body.token}`);
    expect(Math.round((Date.parse(body.expires_at) - Date.now()) / 3_600_000)).toBe(24);

    const reset = () => post('/auth/password/reset', { token: body.token, new_password: NEW_PASSWORD });
    expect([(await reset()).status, (await reset()).status]).toEqual([204, 422]);
    expect((await login(NEW_PASSWORD)).status).toBe(200);
    expect(await emailState()).toEqual(['assumed', 'assumed']);
    expect(await audited()).toEqual(expect.arrayContaining(['password.reset_link_created', 'password.reset']));
  });
});

test('neither addresses nor passwords nor tokens come into the log or the queue', async () => {
  const ada = await provenUser();
  await post('/auth/password/reset-request', { email: ADA });
  const token = tokenIn(await nextMail());
  await post('/auth/password/reset', { token, new_password: NEW_PASSWORD });
  await app.runJobs();
  const [jobs] = await app.execute(sql`SELECT * FROM jobs`);
  const told = app.logLines.join('') + JSON.stringify(jobs);
  expect(told).toContain('/auth/password/reset');
  for (const secret of [ADA, 'horse battery', token, ada.token]) expect(told).not.toContain(secret);
});
