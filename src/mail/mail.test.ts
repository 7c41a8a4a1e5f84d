import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FakeMailServer, startFakeMailServer } from '../../test/fakes/mail-server.ts';
import { TEST_SECRET } from '../../test/harness/accounts.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { runReadyJobs } from '../../test/harness/run-jobs.ts';
import { deriveSecrets } from '../access/index.ts';
import { sql } from '../db/sql.ts';
import type { JobHandler } from '../jobs/index.ts';
import { enqueueMail, type MailRequest, SEND_MAIL } from './enqueue-mail.ts';
import { sendMailHandler } from './jobs.ts';
import { createMailer, type Mailer } from './mailer.ts';

const secrets = deriveSecrets(TEST_SECRET);
const MAIL: MailRequest = {
  to: 'ada@example.com',
  userId: null,
  subject: 'A subject',
  text: 'Text with a token: tok-en.\n.\nThe end.\n',
  lifeMs: 3_600_000,
};

let database: TestDatabase;
let server: FakeMailServer;
let mailer: Mailer;
beforeEach(async () => {
  database = await createTestDatabase();
  server = await startFakeMailServer();
  mailer = createMailer({ url: server.url, from: 'anyrag <anyrag@example.org>' });
});
afterEach(async () => {
  mailer.close();
  await server.close();
  await database.close();
});

async function sendAll(): Promise<void> {
  const handler = sendMailHandler({ db: database.db, secrets, mailer });
  await database.db.batch([sql`UPDATE jobs SET wait = NULL, run_at = 0 WHERE status = 'pending'`]);
  await runReadyJobs(database.db, new Map([[SEND_MAIL, handler as JobHandler]]));
}

async function theJob() {
  const [job] = await database.db.query(
    sql`SELECT status, attempts, result, error FROM jobs ORDER BY seq DESC LIMIT 1`,
  );
  return { ...job, error: JSON.parse((job!.error as string | null) ?? 'null') };
}

const waiting = () => database.db.query(sql`SELECT mail_id FROM outgoing_mail`);

describe('a mail', () => {
  test('is sent after the batch that made it necessary, and leaves nothing behind', async () => {
    await database.db.batch(enqueueMail(secrets, MAIL));
    expect(server.received).toEqual([]);
    await sendAll();
    expect(server.received).toHaveLength(1);
    const [{ from, to, message }] = server.received as [FakeMailServer['received'][0]];
    expect([from, to]).toEqual(['anyrag@example.org', ['ada@example.com']]);
    expect(message).toContain('Subject: A subject');
    expect(message).toContain('From: anyrag <anyrag@example.org>');
    expect(message).toContain('Auto-Submitted: auto-generated');
    expect(message.replaceAll('\r', '')).toContain('Text with a token: tok-en.\n.\nThe end.\n');
    expect(await waiting()).toEqual([]);
  });

  test('is not sent when that batch fails', async () => {
    const batch = [...enqueueMail(secrets, MAIL), sql`INSERT INTO groups VALUES (1, '', 0, 0)`];
    await expect(database.db.batch(batch)).rejects.toThrow();
    await sendAll();
    expect(server.received).toEqual([]);
  });

  test('shows neither address nor text in the database before it is sent', async () => {
    await database.db.batch(enqueueMail(secrets, MAIL));
    const tables = await database.db.query(sql`SELECT * FROM jobs`);
    const mails = await database.db.query<{ mail_sealed: Uint8Array }>(sql`SELECT mail_sealed FROM outgoing_mail`);
    const stored = JSON.stringify(tables) + Buffer.from(mails[0]!.mail_sealed).toString('latin1');
    expect(stored).not.toMatch(/ada@|tok-en|A subject/);
  });

  test('that the server defers is sent later, as the same mail', async () => {
    server.answers.push(450);
    await database.db.batch(enqueueMail(secrets, MAIL));
    await sendAll();
    expect(await theJob()).toMatchObject({ status: 'pending', attempts: 1, error: { code: 'mail_unavailable' } });
    await sendAll();
    expect(await theJob()).toMatchObject({ status: 'completed' });
    const [{ mail_id }] = (await database.db.query(
      sql`SELECT json_extract(payload, '$.mail_id') AS mail_id FROM jobs`,
    )) as [{ mail_id: string }];
    expect(server.received.map(({ message }) => message.includes(`<${mail_id}@example.org>`))).toEqual([true]);
  });

  test('that the server refuses for good is given up, and the error does not repeat the address', async () => {
    server.answers.push(550);
    await database.db.batch(enqueueMail(secrets, MAIL));
    await sendAll();
    const job = await theJob();
    expect(job).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'mail_rejected', retryable: false } });
    expect(JSON.stringify(job)).not.toContain('ada@');
  });

  test('is tried again when no server answers', async () => {
    await server.close();
    await database.db.batch(enqueueMail(secrets, MAIL));
    await sendAll();
    expect(await theJob()).toMatchObject({ status: 'pending', error: { code: 'mail_unavailable' } });
    server = await startFakeMailServer();
  });

  test('is not sent when what it says is no longer true', async () => {
    await database.db.batch([...enqueueMail(secrets, MAIL), sql`UPDATE outgoing_mail SET expires_at = 1`]);
    await sendAll();
    expect([server.received, await waiting()]).toEqual([[], []]);
  });

  test('to a name in the place of an address goes to one recipient only', async () => {
    await database.db.batch(enqueueMail(secrets, { ...MAIL, to: '"x,eve@example.com"@example.com' }));
    await sendAll();
    expect(server.received.every(({ to }) => !to.includes('eve@example.com'))).toBe(true);
  });
});

test.each(['', 'http://mail.example.com', 'mail.example.com:25', 'smtp://'])('%j is no mail server', (url) => {
  expect(() => createMailer({ url, from: 'a@example.com' })).toThrow(/config_invalid.*SMTP_URL/);
});

test('what is no address is no sender', () => {
  expect(() => createMailer({ url: 'smtp://localhost', from: 'anyrag' })).toThrow(/config_invalid.*MAIL_FROM/);
});
