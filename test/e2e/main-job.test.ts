import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPdf } from '../document-builders.ts';
import { type ApiUser, type Json, registerOver } from '../harness/api-user.ts';
import { bareEnvironment } from '../harness/server.ts';

const SCRIPT = join(import.meta.dirname, '../../script/server');

const LIGHTHOUSE = buildPdf(
  [
    '# The lighthouse at Cape Vintaa\n\nThe lighthouse was built in 1874 by the engineer Ilse Morgenroth.\nIts tower is 41 metres high and made of red brick.',
    '# The lamp\n\nThe first lamp burned rapeseed oil. In 1921 it was replaced by an electric lamp of 1500 watts.\nThe light can be seen for 22 nautical miles.',
    '# The keepers\n\nThe last keeper, Oskar Brandvold, left the tower in 1987, when the light became automatic.',
  ],
  { title: 'The lighthouse at Cape Vintaa' },
);

/** The one command of the README, with nothing configured but a port and an empty directory. */
describe('script/server on an empty directory', () => {
  let dataDir: string;
  let server: ReturnType<typeof spawn>;
  let url: string;
  let user: ApiUser;
  let job: Json;
  let answer: Json;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'anyrag-e2e-'));
    server = spawn(SCRIPT, ['--port', '0', '--workers', '1'], {
      env: { ...bareEnvironment(), DATA_DIR: join(dataDir, 'data'), EMBEDDING_THREADS: '1' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    url = await readyUrl(server);
    user = await registerOver(url, 'visitor@example.org');
    const accepted = await user.upload({ name: 'lighthouse.pdf', content: LIGHTHOUSE });
    job = await user.finished(accepted.job_id);
    answer = await user.ask('When did the lamp become electric?');
  }, 180_000);

  afterAll(async () => {
    const exited = once(server, 'exit');
    server.kill('SIGTERM');
    expect((await exited)[0]).toBe(0);
    await rm(dataDir, { recursive: true, force: true });
  });

  test('an uploaded PDF becomes a document with passages and vectors', () => {
    expect(job).toMatchObject({ status: 'completed', attempts: 1, result: { warnings: [] }, error: null });
    expect(job.result.chunks).toBeGreaterThan(0);
  });

  test('a question in plain words is answered from the right page with a verbatim quote', () => {
    expect(answer.mode).toBe('extractive');
    expect(answer.degraded).toBeUndefined();
    const citation = answer.citations.find(({ quote }: Json) => quote.includes('1921'));
    expect(citation).toMatchObject({ title: 'The lighthouse at Cape Vintaa', document_id: job.result.document_id });
    expect(citation.location.page_start).toBeLessThanOrEqual(2);
    expect(citation.location.page_end).toBeGreaterThanOrEqual(2);
    const passage = answer.results.find(({ chunk_id }: Json) => chunk_id === citation.chunk_id);
    expect(passage.text).toContain(citation.quote);
  });

  test('every number in the answer is a citation', () => {
    const numbers = [...answer.answer.matchAll(/\[(\d+)\]/g)].map(([, number]) => Number(number));
    expect(numbers.length).toBeGreaterThan(0);
    expect(new Set(numbers)).toEqual(new Set(answer.citations.map(({ number }: Json) => number)));
  });

  test('a search by meaning finds the document too', async () => {
    const { status, body } = await user.request('POST', '/search/vector', {
      query: 'the person who guarded the tower',
    });
    expect(status).toBe(200);
    expect(body.results[0].document_id).toBe(job.result.document_id);
  });

  test('a question about nothing that is there gets no answer', async () => {
    const nothing = await user.ask('xylophone quantum zebra', { filters: { tags: ['none-such'] } });
    expect(nothing).toMatchObject({ answer: null, citations: [], results: [] });
  });

  test('somebody else finds nothing of it', async () => {
    const stranger = await registerOver(url, 'stranger@example.org');
    expect(await stranger.ask('When did the lamp become electric?')).toMatchObject({ answer: null, results: [] });
    expect((await stranger.request('GET', `/documents/${job.result.document_id}`)).status).toBe(404);
    expect((await stranger.request('GET', `/jobs/${job.job_id}`)).status).toBe(404);
  });

  test('the secret that was made on the first start is readable by its owner only', async () => {
    const names = await readdir(join(dataDir, 'data'));
    expect(names).toContain('secret-key');
    expect((await stat(join(dataDir, 'data', 'secret-key'))).mode & 0o777).toBe(0o600);
  });
});

async function readyUrl(server: ReturnType<typeof spawn>): Promise<string> {
  for await (const line of createInterface({ input: server.stdout! })) {
    if (!line.startsWith('{')) continue;
    const entry = JSON.parse(line);
    if (entry.event !== 'up.ready') continue;
    // Left unread, a full pipe would stop the server.
    server.stdout!.resume();
    return entry.url;
  }
  throw new Error('the server ended before it was ready');
}
