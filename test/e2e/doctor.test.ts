import { chmod, mkdtemp, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCommand } from '../harness/command.ts';
import { startServer } from '../harness/server.ts';

const PASSWORD = 'a long pass phrase';
let dataDir: string;
let env: Record<string, string>;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'anyrag-doctor-'));
  env = { DATA_DIR: dataDir, EMBEDDING_PROVIDER: 'none' };
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

interface Finding {
  name: string;
  status: string;
  detail: string;
  repair: string | null;
}

async function doctor(extra: Record<string, string> = {}) {
  const { code, stdout, stderr } = await runCommand(['doctor', '--json'], { env: { ...env, ...extra } });
  expect(stderr).toBe('');
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] };
  const problems = findings.filter(({ status }) => status === 'problem');
  expect({ code, ok }).toEqual(problems.length === 0 ? { code: 0, ok: true } : { code: 1, ok: false });
  for (const { repair } of problems) expect(repair).toMatch(/\.$|;$/);
  return { findings, problems: problems.map(({ name }) => name) };
}

async function migrated(): Promise<void> {
  expect(await runCommand(['migrate'], { env })).toMatchObject({ code: 0 });
}

function change(script: string): void {
  const connection = new DatabaseSync(join(dataDir, 'anyrag.db'));
  connection.exec(script);
  connection.close();
}

test('a data directory below a file is a finding like any other', async () => {
  const { problems } = await doctor({ DATA_DIR: '/dev/null/data' });
  expect(problems).toEqual(['data_directory', 'database']);
});

describe('with data in use', () => {
  test('everything is well while the server runs; lost and left files and held jobs are seen', async () => {
    const server = await startServer({ dataDir, keepData: true });
    const login = await fetch(`${server.url}/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: 'a@example.org', password: PASSWORD }),
    });
    const { access_token } = (await login.json()) as { access_token: string };
    const client = { env: { ...env, ANYRAG_URL: server.url, ANYRAG_API_KEY: access_token } };
    const added = await runCommand(['ingest', '-', '--json'], { ...client, stdin: 'Gulls cry over the harbour.' });
    expect(added.code).toBe(0);
    const well = await doctor();
    expect(well.problems).toEqual([]);
    expect(well.findings.map(({ name }) => name)).toEqual(expect.arrayContaining(['rows_have_files', 'disk_space']));
    await server.stop();

    await chmod(join(dataDir, 'secret-key'), 0o644);
    const files = join(dataDir, 'files');
    const stored = (await readdir(files, { recursive: true })).find((name) => /^[0-9a-f]{2}\/./.test(name))!;
    const left = stored.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
    await rename(join(files, stored), join(files, left));
    await utimes(join(files, left), 0, 0);
    change(`INSERT INTO jobs (job_id, job_type, payload, status, worker_id, run_at, created_at, updated_at)
      VALUES ('j', 'other', '{}', 'processing', 'gone', 0, 0, 0)`);
    expect((await doctor()).problems).toEqual([
      'jobs_have_living_workers',
      'secret',
      'secret_opens_accounts',
      'rows_have_files',
      'files_have_rows',
    ]);
  });
});

describe('what is wrong is said, and nothing is made', () => {
  test('no database', async () => {
    const { problems } = await doctor();
    expect(problems).toEqual(['database']);
    expect(await readdir(dataDir)).toEqual([]);
  });

  test('a configuration that is not valid', async () => {
    expect((await doctor({ PORT: 'many' })).problems).toEqual(['configuration']);
  });

  test('a provider that is not set up', async () => {
    await migrated();
    expect((await doctor({ EMBEDDING_PROVIDER: 'openai' })).problems).toEqual(['set_up']);
  });

  test('models that do not answer', async () => {
    await migrated();
    const nobody = 'http://127.0.0.1:9/v1';
    const { problems } = await doctor({
      ...{ EMBEDDING_PROVIDER: 'openai', EMBEDDING_URL: nobody, EMBEDDING_MODEL: 'a-model' },
      ...{ CHAT_PROVIDER: 'openai', CHAT_URL: nobody, CHAT_MODEL: 'a-model' },
    });
    expect(problems).toEqual(['embedding_provider', 'chat_provider']);
  });

  test('a trigger that somebody has dropped', async () => {
    await migrated();
    change('DROP TRIGGER users_stay_erased');
    const { findings, problems } = await doctor();
    expect(problems).toEqual(['schema_objects']);
    expect(findings.find(({ name }) => name === 'schema_objects')!.detail).toContain(
      'trigger users_stay_erased is missing',
    );
  });

  test('a file that is no database', async () => {
    await writeFile(join(dataDir, 'anyrag.db'), 'this is not a database, but it is long enough to look like a file');
    expect((await doctor()).problems).toEqual(['database']);
  });

  test('a schema that is older', async () => {
    await migrated();
    change('DELETE FROM schema_migrations WHERE version > 1');
    const { findings, problems } = await doctor();
    expect(problems).toEqual(['schema']);
    expect(findings.find(({ name }) => name === 'schema')).toMatchObject({
      detail: expect.stringContaining('missing: 0002_'),
      repair: expect.stringContaining('anyrag migrate'),
    });
  });

  test('a schema that is newer', async () => {
    await migrated();
    change("INSERT INTO schema_migrations VALUES (9999, 'later', '', 0)");
    expect((await doctor()).problems).toEqual(['schema']);
  });

  test('in text, with what to do', async () => {
    const { code, stdout } = await runCommand(['doctor'], { env });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^✓ node /m);
    expect(stdout).toMatch(/^✗ database .+does not exist\.\n {2}For a new installation/m);
  });
});
