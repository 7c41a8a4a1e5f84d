import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CommandResult, hasTerminal, runCommand, runOnTerminal } from '../harness/command.ts';
import { LAUNCHER, startServer, type TestServer } from '../harness/server.ts';

const EMAIL = 'ada@example.org';
const PASSWORD = 'a long pass phrase';

let server: TestServer;
let web: { url: string; close(): void };
let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  web = await serve('text/plain', 'Walruses have long tusks. They live on the ice of the north.');
  server = await startServer({ env: { OUTBOUND_ALLOW: new URL(web.url).host } });
  folder = await mkdtemp(join(tmpdir(), 'anyrag-cli-'));
  env = { ANYRAG_URL: server.url, XDG_CONFIG_HOME: join(folder, 'config') };
  const created = await runCommand(['users', 'create', EMAIL, '--password-stdin', '--json'], {
    env: server.env,
    stdin: `${PASSWORD}\n`,
  });
  expect(created).toMatchObject({ code: 0, stderr: '' });
});

afterAll(async () => {
  web?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

beforeEach(async () => {
  await signIn();
});

function anyrag(args: string[], stdin?: string): Promise<CommandResult> {
  return runCommand(args, { env, ...(stdin !== undefined && { stdin }) });
}

async function json(args: string[], stdin?: string) {
  const result = await anyrag([...args, '--json'], stdin);
  return { ...result, value: result.stdout === '' ? null : JSON.parse(result.stdout) };
}

async function signIn(): Promise<void> {
  const result = await anyrag(['login', '--email', EMAIL, '--password-stdin'], `${PASSWORD}\n`);
  expect(result).toMatchObject({ code: 0, stderr: '' });
}

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  return path;
}

async function changeLogin(change: (login: Record<string, unknown>) => void): Promise<void> {
  const path = join(folder, 'config/anyrag/credentials.json');
  const content = JSON.parse(await readFile(path, 'utf8'));
  change(content.servers[server.url]);
  await writeFile(path, JSON.stringify(content));
}

async function serve(contentType: string, content: string) {
  const texts = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': contentType });
    response.end(content);
  });
  await new Promise<void>((resolve) => texts.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(texts.address() as AddressInfo).port}/walrus.txt`,
    close: () => void texts.close(),
  };
}

describe('signing in', () => {
  test('is remembered in a file for the user alone, and ended by logout', async () => {
    const { mode } = await stat(join(folder, 'config/anyrag/credentials.json'));
    expect(mode & 0o777).toBe(0o600);
    expect((await anyrag(['logout'])).code).toBe(0);
    const refused = await anyrag(['documents', 'ls']);
    expect(refused).toMatchObject({ code: 4, stdout: '' });
    expect(refused.stderr).toContain('anyrag login');
  });

  test('a wrong password exits with 4 and stores nothing new', async () => {
    const before = await readFile(join(folder, 'config/anyrag/credentials.json'), 'utf8');
    const result = await anyrag(['login', '--email', EMAIL, '--password-stdin'], 'wrong password\n');
    expect(result).toMatchObject({ code: 4, stdout: '' });
    expect(await readFile(join(folder, 'config/anyrag/credentials.json'), 'utf8')).toBe(before);
  });

  test('an access token that has ended is refreshed once, however many commands run', async () => {
    await changeLogin((login) => {
      login.access_expires_at = 0;
    });
    const results = await Promise.all([1, 2, 3].map(() => anyrag(['documents', 'ls'])));
    expect(results.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect((await anyrag(['documents', 'ls'])).code).toBe(0);
  });

  test('a token that the server does not take is refreshed too', async () => {
    await changeLogin((login) => {
      login.access_token = 'nonsense';
    });
    expect((await anyrag(['documents', 'ls'])).code).toBe(0);
  });

  test('without a terminal it needs --password-stdin', async () => {
    expect(await anyrag(['login', '--email', EMAIL])).toMatchObject({ code: 2, stdout: '' });
  });

  test.skipIf(!hasTerminal)('on a terminal the password is asked for and not shown', async () => {
    const { code, screen } = await runOnTerminal(`${LAUNCHER} login`, {
      env,
      answers: [
        ['E-mail: ', EMAIL],
        ['Password: ', PASSWORD],
      ],
    });
    expect(code).toBe(0);
    expect(screen).toContain(EMAIL);
    expect(screen).not.toContain(PASSWORD);
  });
});

describe('adding and asking', () => {
  test('a file is added, waited for, found, cited and deleted', async () => {
    const path = await file('zebra.md', '# Zebras\n\nZebras have stripes. The zebra lives in Africa.\n');
    const added = await anyrag(['ingest', path, '--tag', 'animals']);
    expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining('1 passage') });
    expect(added.stderr).toContain(`${path}: completed`);
    const longPath = await file(`${'long-'.repeat(20)}name.md`, 'Zebus have a hump.');
    expect((await anyrag(['ingest', longPath])).stderr).toContain(`${longPath}: completed`);

    const answer = await anyrag(['ask', 'Where', 'does', 'the', 'zebra', 'live?', '--tag', 'animals']);
    expect(answer.code).toBe(0);
    expect(answer.stdout).toContain('The zebra lives in Africa. [1]');
    expect(answer.stdout).toContain('[1] Zebras');
    expect(answer.stdout).toContain('“The zebra lives in Africa.”');

    const { value } = await json(['search', 'zebra', '--mode', 'keyword', '--tag', 'animals']);
    const id = value.results[0].document_id;
    expect((await anyrag(['documents', 'show', id])).stdout).toContain('Zebras');
    expect((await anyrag(['documents', 'rm', id])).code).toBe(0);
    expect((await anyrag(['documents', 'show', id])).code).toBe(5);
    expect((await anyrag(['search', 'zebra'])).stdout).toContain('Nothing was found.');
  });

  test('standard input is added under its fields, with nothing but JSON on stdout', async () => {
    const { code, value } = await json(
      [
        ...['ingest', '-', '--name', 'p.txt', '--title', 'Pinguine', '--source', 'penguins'],
        ...['--metadata', '{"n":1}', '--expires-at', '2100-01-01'],
      ],
      'Penguins swim in the cold sea.',
    );
    expect(code).toBe(0);
    expect(value.items).toMatchObject([{ input: 'standard input', status: 'completed', chunks: 1, error: null }]);
    const shown = await json(['documents', 'show', value.items[0].document_id]);
    expect(shown.value).toMatchObject({
      title: 'Pinguine',
      source: 'penguins',
      metadata: { n: 1 },
      expires_at: '2100-01-01T00:00:00.000Z',
    });
  });

  test('a URL is fetched by the server', async () => {
    const { code, value } = await json(['ingest', web.url]);
    expect(code).toBe(0);
    expect(value.items[0]).toMatchObject({ input: web.url, status: 'completed' });
    expect((await anyrag(['ask', 'What do walruses have?'])).stdout).toContain('Walruses have long tusks.');
  });

  test('a folder needs --recursive, and gives its files without hidden ones', async () => {
    await file('tree/b/two.txt', 'The second text is about lichens.');
    await file('tree/a.txt', 'The first text is about mosses.');
    await file('tree/.hidden/three.txt', 'Not this one.');
    const tree = join(folder, 'tree');
    expect(await anyrag(['ingest', tree])).toMatchObject({ code: 2, stdout: '' });
    const { code, value } = await json(['ingest', '--recursive', tree]);
    expect(code).toBe(0);
    expect(value.items.map(({ input }: { input: string }) => input)).toEqual([
      join(tree, 'a.txt'),
      join(tree, 'b/two.txt'),
    ]);
  });

  test('one bad file among others fails alone, and the exit code says so', async () => {
    const good = await file('good.txt', 'Ferns have no flowers.');
    const bad = await file('bad.pdf', '%PDF-1.7\nthis is no more a PDF than that');
    const empty = await file('empty.txt', '');
    const { code, value } = await json(['ingest', empty, bad, good]);
    expect(code).toBe(1);
    expect(value.items).toMatchObject([
      { status: 'refused', error: { code: 'empty_file' } },
      { status: 'failed', error: { code: expect.stringMatching(/^pdf_/) } },
      { status: 'completed', error: null },
    ]);
  });

  test('without waiting, the job can be waited for and shown later', async () => {
    const path = await file('later.txt', 'Oaks grow old.');
    const sent = await json(['ingest', path, '--no-wait']);
    expect(sent.value.items[0]).toMatchObject({ status: 'pending' });
    const { job_id } = sent.value.items[0];
    expect((await json(['jobs', 'wait', job_id])).value).toMatchObject({ job_id, status: 'completed' });
    expect((await json(['jobs', 'show', job_id])).value).toMatchObject({ job_id, status: 'completed' });
    const shown = await anyrag(['jobs', 'show', job_id]);
    expect(shown.stdout).toMatch(/^status: +completed$/m);
    expect(shown.stdout.split('\n').map((line) => line.split(/ {2,}/)[1])).toEqual(
      expect.arrayContaining(['enqueued', 'claimed', 'completed']),
    );
    const retried = await json(['jobs', 'retry', job_id]);
    expect(retried).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(retried.stderr)).toMatchObject({ status: 409, code: 'job_state_conflict' });
    const listed = await json(['jobs', 'ls', '--status', 'completed', '--limit', '1']);
    expect(listed.value.items).toHaveLength(1);
  });

  test.skipIf(!hasTerminal)('on a terminal an answer is streamed', async () => {
    const path = await file('lemurs.txt', 'Lemurs jump from tree to tree.');
    expect((await anyrag(['ingest', path])).code).toBe(0);
    const { code, screen } = await runOnTerminal(`${LAUNCHER} ask 'where do lemurs jump'`, { env });
    expect(code).toBe(0);
    expect(screen).toContain('Lemurs jump from tree to tree. [1]');
    expect(screen).toContain('“Lemurs jump from tree to tree.”');
  });

  test.skipIf(!hasTerminal)('on a terminal a bar shows the stages', async () => {
    const path = await file(`${'long-'.repeat(20)}bar.txt`, 'Birches are white.');
    const { code, screen } = await runOnTerminal(`${LAUNCHER} ingest ${path}`, { env });
    expect(code).toBe(0);
    expect(screen).toMatch(/░|█/);
    expect(screen).toMatch(/…\S+-bar\.txt {2}[░█]/);
  });
});

describe('texts of others do not control the terminal', () => {
  // Sets the title of the window, colours, clears the screen, and writes backwards.
  const EVIL = '\u001b]0;owned\u0007 \u009b31m \u001b[2J \u202edlrow\r\nhello';
  const ACTIVE = ['\u001b]', '\u0007', '\u009b', '\u001b[2J', '\u202e'];
  const citation = {
    number: 1,
    chunk_id: 'c',
    document_id: 'd',
    title: EVIL,
    quote: EVIL,
    location: { heading_path: [EVIL] },
  };
  const answer = { answer: EVIL, mode: 'llm', citations: [citation], results: [], took_ms: 1 };
  const document = { document_id: EVIL, title: EVIL, status: EVIL, chunks: 1, updated_at: EVIL };

  async function expectHarmless(server_: { url: string; close(): void }, args: string[]): Promise<string> {
    try {
      const there = { env: { ANYRAG_URL: new URL(server_.url).origin, ANYRAG_API_KEY: 'key' } };
      const { code, stdout, stderr } = await runCommand(args, there);
      for (const active of ACTIVE) expect(stdout + stderr).not.toContain(active);
      return `${code} ${stdout}${stderr}`;
    } finally {
      server_.close();
    }
  }

  test.skipIf(!hasTerminal)('in a streamed answer', async () => {
    const events = `event: delta\ndata: ${JSON.stringify({ text: EVIL })}\n\nevent: done\ndata: ${JSON.stringify(answer)}\n\n`;
    const fake = await serve('text/event-stream', events);
    const { code, screen } = await runOnTerminal(`${LAUNCHER} ask hello`, {
      env: { ANYRAG_URL: new URL(fake.url).origin, ANYRAG_API_KEY: 'key' },
    });
    fake.close();
    expect(code).toBe(0);
    expect(screen).toContain('dlrow');
    for (const active of ACTIVE) expect(screen).not.toContain(active);
  });

  test.each([[[]], [['--json']]])('in an answer %j', async (options) => {
    const fake = await serve('application/json', JSON.stringify(answer));
    expect(await expectHarmless(fake, ['ask', 'hello', ...options])).toContain('dlrow');
  });

  test.each([[[]], [['--json']]])('in a list %j', async (options) => {
    const fake = await serve('application/json', JSON.stringify({ items: [document], next_cursor: EVIL }));
    expect(await expectHarmless(fake, ['documents', 'ls', ...options])).toContain('dlrow');
  });

  test('in what is no answer at all', async () => {
    const fake = await serve('text/plain', EVIL);
    expect(await expectHarmless(fake, ['documents', 'ls'])).toContain('is it an anyrag server?');
  });
});

test('a command that is turned away says why it waits', async () => {
  const problem = { title: 'Not ready', status: 503, code: 'not_ready', detail: 'The database is away', trace_id: 't' };
  let isAsked = false;
  const busy = createServer((_request, response) => {
    if (isAsked) return response.end('{"items":[],"next_cursor":null}');
    isAsked = true;
    return response
      .writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '0' })
      .end(JSON.stringify(problem));
  });
  await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
  const { port } = busy.address() as AddressInfo;
  const there = { env: { ANYRAG_URL: `http://127.0.0.1:${port}`, ANYRAG_API_KEY: 'key' } };
  const { code, stderr } = await runCommand(['documents', 'ls'], there);
  busy.close();
  expect(code).toBe(0);
  expect(stderr).toBe('Note: The database is away (not_ready); trying again for up to a minute.\n');
});

describe('exit codes', () => {
  test.each<[string, string[], Record<string, string>, number]>([
    ['usage: an unknown command', ['nonsense'], {}, 2],
    ['usage: an unknown option', ['search', 'x', '--nonsense'], {}, 2],
    ['usage: an option out of bounds', ['search', 'x', '--limit', '51'], {}, 2],
    ['usage: metadata that is no object', ['ingest', '-', '--metadata', '[1]'], {}, 2],
    ['usage: a file that does not exist', ['ingest', '/does/not/exist'], {}, 2],
    ['nobody listens', ['jobs', 'ls', '--url', 'http://127.0.0.1:9'], {}, 3],
    ['a key that is not valid', ['jobs', 'ls'], { ANYRAG_API_KEY: 'rag_nonsense' }, 4],
    ['no such job', ['jobs', 'show', 'nothing'], {}, 5],
    ['a server URL that is none', ['jobs', 'ls'], { ANYRAG_URL: 'nonsense' }, 78],
    ['a key that could not be sent', ['jobs', 'ls'], { ANYRAG_API_KEY: 'a\u0001b' }, 78],
  ])('%s', async (_name, args, extra, code) => {
    const text = await runCommand(args, { env: { ...env, ...extra } });
    expect(text).toMatchObject({ code, stdout: '' });
    expect(text.stderr).toMatch(/^anyrag: .+ \([a-z_]+\)\n/);
    const inJson = await runCommand([...args, '--json'], { env: { ...env, ...extra } });
    expect(inJson).toMatchObject({ code, stdout: '' });
    expect(JSON.parse(inJson.stderr)).toMatchObject({ code: expect.any(String), detail: expect.any(String) });
  });

  test('a wait that takes too long exits with 6', async () => {
    const idle = await startServer({ workers: 0 });
    try {
      await runCommand(['users', 'create', EMAIL, '--password-stdin'], { env: idle.env, stdin: PASSWORD });
      const there = { env: { ...env, ANYRAG_URL: idle.url } };
      await runCommand(['login', '--email', EMAIL, '--password-stdin'], { ...there, stdin: PASSWORD });
      const waiting = await runCommand(['ingest', '-', '--timeout', '1', '--json'], { ...there, stdin: 'A text.' });
      expect(waiting.code).toBe(6);
      expect(JSON.parse(waiting.stdout).items[0]).toMatchObject({ status: 'pending', job_id: expect.any(String) });
      const inText = await runCommand(['ingest', '-', '--timeout', '1'], { ...there, stdin: 'Another text.' });
      expect(inText.code).toBe(6);
      expect(inText.stdout).toMatch(/accepted as document \S+, job \S+\n/);
      expect(inText.stderr).toContain('has not ended in time');
    } finally {
      await idle.stop();
    }
  });

  test('help and version are no errors, and help has every exit code', async () => {
    const help = await anyrag(['help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    for (const code of [0, 1, 2, 3, 4, 5, 6, 78]) expect(help.stdout).toMatch(new RegExp(`^ +${code} +\\S`, 'm'));
    expect((await anyrag([])).stdout).toBe(help.stdout);
    expect((await anyrag(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
