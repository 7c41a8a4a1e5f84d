import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasTerminal, runOnTerminal } from '../harness/command.ts';
import { bareEnvironment, LAUNCHER, startServer } from '../harness/server.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'anyrag-start-'));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

/** Runs a command to its end. */
function run(args: string[], env: Record<string, string> = {}): Promise<{ code: number; output: string }> {
  const options = {
    cwd: dataDir,
    timeout: 30_000,
    env: { ...bareEnvironment(), DATA_DIR: dataDir, PORT: '0', EMBEDDING_PROVIDER: 'none', ...env },
  };
  return new Promise((resolve) => {
    execFile(LAUNCHER, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : (error.code as unknown as number), output: stdout + stderr });
    });
  });
}

const STRONG_SECRET = '9f1c4ba07d2e86351fa0cb7de94823615b0c7fe2a94d1836ce57b0a2f3d8146e';

describe('starting', () => {
  test.each([
    ['a HOST that is reachable from outside without a secret', { HOST: '0.0.0.0' }, /no SECRET_KEY.*openssl rand/],
    ['such a HOST with a weak secret', { HOST: '0.0.0.0', SECRET_KEY: 'x'.repeat(40) }, /too weak.*openssl rand/],
    ['a secret that is too short', { SECRET_KEY: 'short' }, /SECRET_KEY/],
    ['an unknown setting', { EMBEDDING_MODLE: 'x' }, /EMBEDDING_MODLE: unknown setting/],
    ['a port that is no number', { PORT: 'ninety' }, /PORT: .*integer/],
    ['a provider without its model', { CHAT_PROVIDER: 'openai' }, /CHAT_(MODEL|URL)/],
    ['a storage that is not supported', { STORAGE_URL: 's3://bucket' }, /STORAGE_URL must be a directory/],
    ['a database scheme nobody knows', { DATABASE_URL: 'mysql://localhost/x' }, /DATABASE_URL/],
  ])('%s stops the start with a sentence', async (_, env, sentence) => {
    const { code, output } = await run(['up'], env);
    expect(code).not.toBe(0);
    expect(output).toMatch(sentence);
    expect(output).not.toMatch(/^\s+at /m);
  });

  test.each(['up', 'serve', 'worker', 'migrate'])(
    '%s --help says what the command does, and does nothing',
    async (command) => {
      const { code, output } = await run([command, '--help']);
      expect(code).toBe(0);
      expect(output).toMatch(new RegExp(`^Usage: anyrag ${command} `));
      expect(await readdir(dataDir)).toEqual([]);
    },
  );

  test.each(['up', 'serve', 'worker', 'migrate'])(
    '%s with an option it does not know starts nothing',
    async (command) => {
      const { code, output } = await run([command, '--wrokers', '3']);
      expect(code).toBe(2);
      expect(output).toMatch(/--wrokers.*--help/);
      expect(await readdir(dataDir)).toEqual([]);
    },
  );

  /** The lines of its log when `up` runs on a terminal until it is ready and is stopped there. */
  async function logOnTerminal(options: string): Promise<string[]> {
    const { code, screen } = await runOnTerminal(`exec ${LAUNCHER} up ${options}`, {
      env: { DATA_DIR: dataDir, PORT: '0', EMBEDDING_PROVIDER: 'none' },
      answers: [['up.ready', '\u0003']],
    });
    expect(code).toBe(0);
    expect(screen).toMatch(/api\.stopped/);
    const lines = screen.split(/\r?\n/).map((line) => line.replace('^C', '').trim());
    return lines.filter((line) => line !== '');
  }

  test.skipIf(!hasTerminal)('on a terminal the log of up is one readable line for each event', async () => {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours.
    for (const line of await logOnTerminal('')) expect(line).toMatch(/^\[[\d:.]+\] (\u001b\[\d+m)?[A-Z]+/);
  });

  test.skipIf(!hasTerminal)('up --json writes its log and that of its processes in JSON there too', async () => {
    for (const line of await logOnTerminal('--json')) expect(JSON.parse(line)).toHaveProperty('level');
  });

  test('serve and worker on a database that was never migrated say which command is missing', async () => {
    for (const command of ['serve', 'worker']) {
      const { code, output } = await run([command]);
      expect(code).not.toBe(0);
      expect(output).toMatch(/anyrag migrate/);
    }
  });

  test('a database newer than the code is left alone', async () => {
    expect((await run(['migrate'])).code).toBe(0);
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(join(dataDir, 'anyrag.db'));
    db.exec(
      `INSERT INTO schema_migrations SELECT 9999, 'from_the_future', sha256, applied_at FROM schema_migrations LIMIT 1`,
    );
    db.close();
    for (const command of ['up', 'serve', 'migrate']) {
      const { code, output } = await run([command]);
      expect(code).not.toBe(0);
      expect(output).toMatch(/newer/);
    }
  });

  test('migrate says that there is nothing to do when it runs twice', async () => {
    expect((await run(['migrate'])).output).toMatch(/Applied \d+ migration/);
    expect((await run(['migrate'])).output).toMatch(/current/);
    expect(JSON.parse((await run(['migrate', '--json'])).output)).toEqual({ applied: [], backup_path: null });
  });

  test('a port in use stops the start and names it', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const { port } = blocker.address() as { port: number };
    const { code, output } = await run(['up', '--port', String(port)]);
    blocker.close();
    expect(code).not.toBe(0);
    expect(output).toContain(String(port));
    expect(output).not.toMatch(/^\s+at /m);
  });

  test('a data directory that cannot be made stops the start with a sentence', async () => {
    await writeFile(join(dataDir, 'file'), '');
    const { code, output } = await run(['up'], { DATA_DIR: join(dataDir, 'file', 'data') });
    expect(code).not.toBe(0);
    expect(output).toContain(join(dataDir, 'file', 'data'));
    expect(output).not.toMatch(/^\s+at /m);
  });

  test('settings come from anyrag.yml, and the environment wins over it', async () => {
    await writeFile(join(dataDir, 'anyrag.yml'), 'registration: closed\nallow_guest_read: true\n');
    const server = await startServer({
      dataDir,
      keepData: true,
      env: { ALLOW_GUEST_READ: 'false', HOST: '127.0.0.1' },
    });
    try {
      const registration = await fetch(`${server.url}/auth/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: 'a@example.org', password: 'correct horse battery staple' }),
      });
      expect(registration.status).toBe(403);
      expect((await fetch(`${server.url}/documents`)).status).toBe(401);
    } finally {
      await server.stop();
    }
  });

  test('a strong secret opens a HOST that is reachable from outside', async () => {
    const server = await startServer({ env: { HOST: '0.0.0.0', SECRET_KEY: STRONG_SECRET } });
    try {
      const { port } = new URL(server.url);
      expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    } finally {
      await server.stop();
    }
  });
});

describe('stopping', () => {
  test('SIGTERM ends all processes in order, and what was running goes on after the next start', async () => {
    const server = await startServer({ dataDir, keepData: true });
    await server.stop();
    const events = server.log.map(({ event }) => event);
    expect(events).toEqual(
      expect.arrayContaining(['api.stopping', 'api.stopped', 'worker.stopping', 'worker.stopped']),
    );
    const again = await startServer({ dataDir, keepData: true });
    await again.stop();
  });
});
