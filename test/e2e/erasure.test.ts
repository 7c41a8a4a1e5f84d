import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../src/admin/index.ts';
import { type ApiUser, type Json, registerOver } from '../harness/api-user.ts';
import { runCommand } from '../harness/command.ts';
import { type LogLine, startServer, type TestServer } from '../harness/server.ts';
import { waitUntil } from '../harness/wait-until.ts';

/** Begins with letters that no other word begins with, so that the word index, which leaves out common beginnings, holds it whole. */
const MARKER = 'zqxjkvmarker';
const PASSWORD = 'correct horse battery staple';
const TEXTS = 30;

/** A busy life through the real API, an erasure during which workers are killed, and what is left on the disk. */
describe('after an erasure', () => {
  let server: TestServer;
  let ada: ApiUser;
  let grace: ApiUser;
  let before: string[];
  let watched: Json;
  let log: readonly LogLine[];

  beforeAll(async () => {
    server = await startServer({ workers: 2, keepData: true });
    ada = await registerOver(() => server.url, `${MARKER}@example.com`);
    grace = await registerOver(() => server.url, 'grace@example.com');
    await live();
    before = await placesOnDisk();

    // Still being read when the account goes.
    await ada.upload({ name: `${MARKER}-late.md`, content: Buffer.from(`# ${MARKER}\n\n`.repeat(500)) });
    const gone = await ada.request('DELETE', '/users/me', { password: PASSWORD });
    expect(gone.status).toBe(202);
    server.kill('worker');
    watched = await finished(gone.body);
    await settled();
    await server.stop();
    log = server.log;
  }, 180_000);
  afterAll(() => rm(server.dataDir, { recursive: true, force: true }));

  async function live() {
    const fields = { tags: [MARKER], metadata: { from: MARKER } };
    const jobs: string[] = [];
    for (let i = 0; i < TEXTS; i++) {
      const text = {
        text: `Text ${i} of ${MARKER}.`,
        title: `${MARKER} ${i}`,
        source: `https://example.org/${MARKER}/${i}`,
      };
      jobs.push((await ada.request('POST', '/ingest/text', { ...text, ...fields })).body.job_id);
    }
    const upload = await ada.upload({ name: `${MARKER}.md`, content: Buffer.from(`# Notes of ${MARKER}\n\nSome.`) });
    const broken = await ada.upload({ name: `${MARKER}.pdf`, content: Buffer.from(`%PDF-1.7\n${MARKER}`) });
    for (const id of [...jobs, upload.job_id, broken.job_id]) await ada.finished(id);
    // Beside what others have, so that there is too little to delete for an index to tidy itself.
    for (let i = 0; i < 5; i++) {
      const paragraphs = Array.from({ length: 400 }, (_, n) => `Paragraph ${i} ${n} of somebody else.`).join('\n\n');
      await grace.finished((await grace.request('POST', '/ingest/text', { text: paragraphs })).body.job_id);
    }
    await ada.request('POST', '/auth/api-keys', { name: MARKER });
    const group = (await grace.request('POST', '/groups', { name: 'Otters' })).body.group_id;
    const member = { email: `${MARKER}@example.com`, role: 'editor' };
    expect((await grace.request('POST', `/groups/${group}/invitations`, member)).status).toBe(201);
    expect((await grace.request('POST', `/groups/${group}/members`, member)).status).toBe(201);
    const share = {
      resource_type: 'document',
      resource_id: upload.document_id,
      grantee_type: 'group',
      grantee_id: group,
    };
    expect((await ada.request('POST', '/shares', { ...share, permission: 'manage' })).status).toBe(201);
    const members = (await grace.request('GET', `/groups/${group}/members`)).body.items;
    expect(members).toHaveLength(2);
    await grace.request('PATCH', `/documents/${upload.document_id}`, { title: `${MARKER} by another` });
    await ada.ask(`What about ${MARKER}?`);
    await ada.request('POST', '/auth/login', { email: `${MARKER}@example.com`, password: 'a wrong pass phrase' });
    expect((await grace.ask(`Notes of ${MARKER}`)).results.length).toBeGreaterThan(0);
  }

  /** Watches by the token, since nobody else is left who might ask. */
  async function finished({ status_url, job_token }: Json): Promise<Json> {
    for (;;) {
      const answer = await fetch(`${server.url}${status_url}?wait=20`, { headers: { 'job-token': job_token } });
      const job = (await answer.json()) as Json;
      if (job.finished_at !== null) return job;
    }
  }

  /** Files are deleted by jobs of their own. */
  async function settled() {
    const db = new DatabaseSync(join(server.dataDir, 'anyrag.db'), { readOnly: true });
    const open = db.prepare("SELECT count(*) AS n FROM jobs WHERE status IN ('pending', 'processing')");
    await waitUntil(() => open.get()!.n === 0, 'the end of all jobs', 60_000);
    db.close();
  }

  /** Every file of the data directory in which the marker stands. */
  async function placesOnDisk(): Promise<string[]> {
    const entries = await readdir(server.dataDir, { recursive: true, withFileTypes: true });
    const found: string[] = [];
    for (const entry of entries.filter((candidate) => candidate.isFile())) {
      const path = join(entry.parentPath, entry.name);
      if (entry.name.includes(MARKER) || (await readFile(path)).includes(MARKER)) found.push(entry.name);
    }
    return found;
  }

  test('the job has ended, and says no more than how many', () => {
    expect(watched).toMatchObject({ status: 'completed', result: { erased: 1 } });
  });

  test('the marker, which was in the database and in the stored files, is in no file any more', async () => {
    expect(before.filter((name) => name.startsWith('anyrag.db')).length).toBeGreaterThan(0);
    expect(before.filter((name) => !name.startsWith('anyrag.db'))).toHaveLength(TEXTS + 2);
    expect(await placesOnDisk()).toEqual([]);
  });

  test('nor after VACUUM, which writes the file anew', async () => {
    const db = new DatabaseSync(join(server.dataDir, 'anyrag.db'));
    db.exec('VACUUM');
    db.close();
    expect(await placesOnDisk()).toEqual([]);
  });

  test('no log has said it', () => {
    expect(log.length).toBeGreaterThan(TEXTS);
    expect(JSON.stringify(log)).not.toContain(MARKER);
  });

  test('the doctor finds nothing that was left behind', async () => {
    const { stdout } = await runCommand(['doctor', '--json'], { env: { ...server.env } });
    const { findings } = JSON.parse(stdout) as { findings: Finding[] };
    const verdicts = findings.map(({ name, status }) => `${name}: ${status}`);
    expect(verdicts).toEqual(
      expect.arrayContaining([
        'erased_accounts_go: ok',
        'files_have_rows: ok',
        'words_have_chunks: ok',
        'quotas_count_what_is_there: ok',
      ]),
    );
    expect(findings.filter(({ status }) => status === 'problem')).toEqual([]);
  });
});
