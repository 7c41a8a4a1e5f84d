import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, cp, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiUser, apiUser, type Json } from '../harness/api-user.ts';
import { runCommand } from '../harness/command.ts';
import { LAUNCHER, startServer, type TestServer } from '../harness/server.ts';
import { waitUntil } from '../harness/wait-until.ts';

const EMAIL = 'keeper@example.org';
const QUESTION = 'Where do the lanterns hang?';
const FACT = 'The lanterns hang in the lighthouse of Norderney.';

let root: string;
let original: TestServer;
let user: ApiUser;
let token: string;
let answer: Json;
let apiKey: string;
let backup: string;
let report: Json;

/** Documents that come in while the backup is made; some of them go again at once. */
async function keepIngesting(until: { isOver: boolean }): Promise<void> {
  for (let n = 0; !until.isOver; n++) {
    const { job_id } = await user.upload({ name: `note-${n}.txt`, content: Buffer.from(`Note ${n} tells of herons.`) });
    if (n % 3 !== 0) continue;
    const { result } = await user.finished(job_id);
    await user.request('DELETE', `/documents/${result.document_id}`);
  }
}

async function backUp(directory: string): Promise<Json> {
  const { code, stdout, stderr } = await runCommand(['backup', directory, '--json'], { env: { ...original.env } });
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining('secret') });
  return JSON.parse(stdout);
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'anyrag-backup-'));
  await mkdir(join(root, 'original'), { mode: 0o700 });
  original = await startServer({ dataDir: join(root, 'original'), keepData: true, env: { JOB_LEASE_MS: '2000' } });
  token = await tokenAt(original.url, '/auth/register');
  user = apiUser(() => original.url, token);
  const { job_id } = await user.upload({ name: 'lanterns.txt', content: Buffer.from(FACT) });
  await user.finished(job_id);
  answer = await user.ask(QUESTION);
  apiKey = (await user.request('POST', '/auth/api-keys', { name: 'a program', scopes: ['read', 'search'] })).body
    .secret;
  const until = { isOver: false };
  const ingesting = keepIngesting(until);
  for (let n = 0; n < 3; n++) report = await backUp(join(root, 'backups'));
  until.isOver = true;
  await ingesting;
  backup = report.path;
}, 120_000);

afterAll(async () => {
  await original?.stop();
  await rm(root, { recursive: true, force: true });
});

/** An empty DATA_DIR with the secret of the original in it. */
async function emptyDataDir(name: string, options: { secret?: boolean } = {}): Promise<Record<string, string>> {
  const dataDir = join(root, name);
  await mkdir(dataDir, { mode: 0o700 });
  if (options.secret !== false) await copyFile(join(root, 'original', 'secret-key'), join(dataDir, 'secret-key'));
  return { ...original.env, DATA_DIR: dataDir };
}

async function problemsOf(env: Record<string, string>): Promise<string[]> {
  const { stdout } = await runCommand(['doctor', '--json'], { env });
  return JSON.parse(stdout)
    .findings.filter(({ status }: Json) => status === 'problem')
    .map(({ name }: Json) => name);
}

async function tokenAt(url: string, path: '/auth/register' | '/auth/login'): Promise<string> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: EMAIL, password: 'correct horse battery staple' }),
  });
  return ((await response.json()) as { access_token: string }).access_token;
}

async function signIn(server: TestServer): Promise<ApiUser> {
  const signedIn = await tokenAt(server.url, '/auth/login');
  return apiUser(() => server.url, signedIn);
}

describe('a backup that is made while the server takes documents in', () => {
  test('holds the database and exactly the files that it names, for this user alone', async () => {
    const database = new DatabaseSync(join(backup, 'anyrag.db'), { readOnly: true });
    const named = database
      .prepare('SELECT storage_key AS key FROM document_versions WHERE storage_key IS NOT NULL')
      .all();
    database.close();
    const entries = await readdir(join(backup, 'files'), { recursive: true });
    const files = entries.filter((name) => name.includes('/'));
    expect(files.sort()).toEqual(named.map(({ key }) => key).sort());
    expect(files.length).toBe(report.files);
    expect(report.files).toBeGreaterThan(0);
    for (const name of ['', 'anyrag.db', 'manifest.json', 'SHA256SUMS', 'files', `files/${files[0]}`]) {
      expect((await stat(join(backup, name))).mode & 0o077).toBe(0);
    }
  });

  test('leaves out the secret, and says so', async () => {
    expect((await readdir(backup)).sort()).toEqual(['SHA256SUMS', 'anyrag.db', 'files', 'manifest.json']);
    expect(report).toMatchObject({ secret: 'secret-key', missing_files: [], damaged_files: [] });
  });

  test('removes older ones on demand, and nothing else', async () => {
    await writeFile(join(root, 'backups', 'notes'), '');
    const { code, stdout } = await runCommand(['backup', join(root, 'backups'), '--keep', '3', '--json'], {
      env: { ...original.env },
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout).removed).toHaveLength(1);
    expect((await readdir(join(root, 'backups'))).filter((name) => name !== 'notes')).toHaveLength(3);
    expect(existsSync(backup)).toBe(true);
  });

  test('is not begun where there is no database', async () => {
    const env = await emptyDataDir('nothing');
    const { code, stderr } = await runCommand(['backup', join(root, 'none')], { env });
    expect(code).toBe(3);
    expect(stderr).toContain('There is no database');
    expect(existsSync(join(root, 'none'))).toBe(false);
  });

  test('is not made of a database on a server', async () => {
    const env = { ...original.env, DATABASE_URL: 'http://127.0.0.1:9' };
    const { stderr, code } = await runCommand(['backup', join(root, 'none')], { env });
    expect({ code, isTold: stderr.includes('makes its own backups') }).toEqual({ code: 78, isTold: true });
  });
});

describe('restored into an empty directory', () => {
  let server: TestServer;
  let restored: Json;
  let env: Record<string, string>;

  beforeAll(async () => {
    env = await emptyDataDir('restored');
    const { code, stdout, stderr } = await runCommand(['restore', backup, '--json'], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    restored = JSON.parse(stdout);
    expect(await problemsOf(env)).toEqual([]);
    server = await startServer({ dataDir: env.DATA_DIR!, keepData: true });
  }, 60_000);

  afterAll(() => server?.stop());

  test('it answers the same question with the same citations', async () => {
    const again = await (await signIn(server)).ask(QUESTION);
    expect(again.citations).toEqual(answer.citations);
    expect(again.citations).not.toEqual([]);
    expect(again.answer).toEqual(answer.answer);
  });

  test('it takes new documents, and the doctor stays content', async () => {
    const keeper = await signIn(server);
    const { job_id } = await keeper.upload({ name: 'new.txt', content: Buffer.from('The new wharf is made of oak.') });
    expect(await keeper.finished(job_id)).toMatchObject({ status: 'completed' });
    expect(await problemsOf(env)).toEqual([]);
  });

  test('no session, token or API key of before is let in', async () => {
    expect(restored).toMatchObject({ api_keys_deleted: 1, sessions_revoked: 1 });
    for (const credential of [apiKey, token]) {
      const asBefore = await apiUser(() => original.url, credential).request('GET', '/documents');
      const asNow = await apiUser(() => server.url, credential).request('GET', '/documents');
      expect([asBefore.status, asNow.status]).toEqual([200, 401]);
    }
  });

  test('it is not restored over', async () => {
    const { code, stderr } = await runCommand(['restore', backup], { env });
    expect({ code, isTold: stderr.includes('is not empty') }).toEqual({ code: 1, isTold: true });
  });
});

describe('refused, with its reason and nothing written', () => {
  test('a backup with a damaged file', async () => {
    const copy = join(root, 'damaged');
    await cp(backup, copy, { recursive: true });
    const name = (await readdir(join(copy, 'files'), { recursive: true })).find((entry) => entry.includes('/'))!;
    await writeFile(join(copy, 'files', name), 'something else');
    const env = await emptyDataDir('from-damaged');
    const { code, stderr } = await runCommand(['restore', copy, '--json'], { env });
    expect(code).toBe(1);
    const detail = `files/${name} is damaged: its checksum is not that of the backup.`;
    expect(JSON.parse(stderr)).toEqual({ code: 'backup_unusable', detail });
    expect(await readdir(env.DATA_DIR!)).toEqual(['secret-key']);
  });

  test('a backup whose secret is not there', async () => {
    const env = await emptyDataDir('no-secret', { secret: false });
    const { code, stderr } = await runCommand(['restore', backup], { env });
    expect({ code, isTold: stderr.includes('set SECRET_KEY') }).toEqual({ code: 78, isTold: true });
    expect(await readdir(env.DATA_DIR!)).toEqual([]);
  });
});

describe('a restore that is killed', () => {
  /** What may be seen on the way; each is waited for, and then the restore is killed. */
  const MOMENTS: [string, (dataDir: string) => boolean | Promise<boolean>][] = [
    ['when it begins', (dataDir) => existsSync(join(dataDir, 'restore-unfinished'))],
    ['among the files', async (dataDir) => (await readdir(join(dataDir, 'files')).catch(() => [])).length > 1],
    ['with the database beside its place', (dataDir) => existsSync(join(dataDir, 'anyrag.db.restoring', 'anyrag.db'))],
    ['when the database has its name', (dataDir) => existsSync(join(dataDir, 'anyrag.db'))],
  ];

  test.each(MOMENTS)('%s leaves it whole, or refused until it is done again', async (moment, isReached) => {
    const env = await emptyDataDir(`killed ${moment}`);
    const dataDir = env.DATA_DIR!;
    const child = spawn(LAUNCHER, ['restore', backup], { env, stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', resolve));
    await waitUntil(() => isReached(dataDir), moment);
    child.kill('SIGKILL');
    await ended;
    if (existsSync(join(dataDir, 'restore-unfinished'))) {
      const { code, stderr } = await runCommand(['up'], { env, cwd: dataDir });
      expect({ code, isTold: stderr.includes('running or was cut off') }).toEqual({ code: 3, isTold: true });
      expect(await problemsOf(env)).toContain('restore');
      expect(await runCommand(['restore', backup], { env })).toMatchObject({ code: 0 });
    }
    expect(await problemsOf(env)).toEqual([]);
  });
});

test('a backup that is killed leaves nothing under the name of a backup', async () => {
  const directory = join(root, 'killed-backups');
  const child = spawn(LAUNCHER, ['backup', directory], { env: { ...original.env }, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await waitUntil(async () => (await readdir(directory).catch(() => [])).length > 0, 'the first trace of the backup');
  child.kill('SIGKILL');
  await ended;
  const left = await readdir(directory);
  for (const name of left.filter((entry) => !entry.startsWith('.'))) {
    expect(await readdir(join(directory, name))).toContain('manifest.json');
  }
});
