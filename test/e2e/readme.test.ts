import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort } from '../harness/free-port.ts';
import { bareEnvironment } from '../harness/server.ts';
import { waitUntil } from '../harness/wait-until.ts';

const ROOT = join(import.meta.dirname, '../..');
const BLOCK = /<!-- test: (server|shell) -->\n```sh\n([\s\S]*?)```/g;

/** The commands of the README as they stand there, but for the port. */
const README = await readFile(join(ROOT, 'README.md'), 'utf8');
const BLOCKS = [...README.matchAll(BLOCK)].map(([, kind, commands]) => ({ kind: kind!, commands: commands! }));

describe('the README', () => {
  let directory: string;
  let server: ReturnType<typeof spawn>;
  let port: number;
  const outputs: string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'anyrag-readme-'));
    port = await freePort();
    const [start] = BLOCKS.filter(({ kind }) => kind === 'server');
    server = spawn('bash', ['-ec', `exec ${start!.commands.trim()}`], {
      cwd: ROOT,
      env: environment(),
      stdio: 'ignore',
    });
    await waitUntil(
      async () => (await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok,
      'the server',
      60_000,
    );
    for (const { commands } of BLOCKS.filter(({ kind }) => kind === 'shell')) outputs.push(await shell(commands));
  }, 240_000);

  afterAll(async () => {
    const exited = once(server, 'exit');
    server.kill('SIGTERM');
    await exited;
    await rm(directory, { recursive: true, force: true });
  });

  function environment(): Record<string, string> {
    return {
      ...bareEnvironment(),
      HOME: directory,
      DATA_DIR: join(directory, 'data'),
      PORT: String(port),
      ANYRAG_URL: `http://127.0.0.1:${port}`,
    };
  }

  function shell(commands: string): Promise<string> {
    const script = commands.replaceAll('127.0.0.1:9090', `127.0.0.1:${port}`);
    return new Promise((resolve, reject) => {
      execFile(
        'bash',
        ['-eo', 'pipefail', '-c', script],
        { cwd: ROOT, env: environment() },
        (error, stdout, stderr) => {
          if (error === null) resolve(stdout);
          else reject(new Error(`${script}\n${stdout}\n${stderr}`, { cause: error }));
        },
      );
    });
  }

  test('starts with a quick start of five commands that ends with a cited answer', () => {
    const commands = BLOCKS.slice(0, 2).flatMap((block) => block.commands.trim().split('\n'));
    expect(commands).toHaveLength(5);
    expect(outputs[0]).toMatch(/\[1\]/);
    expect(outputs[0]).toMatch(/lease/);
  });

  test('does the same over HTTP', () => {
    expect(outputs[1]).toContain('"status":"completed"');
    expect(outputs[1]).toMatch(/"quote":"[^"]*config\.access/);
  });

  test('shows the command line', () => {
    expect(outputs[2]).toContain('Herons nest in colonies.');
  });

  test('names no command of anyrag that is not tried here', () => {
    const tried = BLOCKS.map(({ commands }) => commands).join('\n');
    const shown = [...README.matchAll(/^bin\/anyrag (\w+)/gm)].map(([, command]) => command!);
    for (const command of shown) expect(tried).toContain(`bin/anyrag ${command}`);
  });
});
