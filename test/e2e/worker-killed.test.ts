import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPdf } from '../document-builders.ts';
import { type ApiUser, apiUser, type Json, registerOver } from '../harness/api-user.ts';
import { startServer, type TestServer } from '../harness/server.ts';
import { waitUntil } from '../harness/wait-until.ts';

const PAGES = 400;
const LEASE_MS = 1_500;

/** Each page has words of its own, so that a lost or doubled passage shows. */
const LARGE_PDF = buildPdf(
  Array.from({ length: PAGES }, (_, page) => [
    `# Chapter ${page + 1}`,
    '',
    ...Array.from(
      { length: 30 },
      (_, line) => `Line ${line + 1} of page ${page + 1} tells of the marker p${page + 1}l${line + 1} and goes on.`,
    ),
  ]),
);

describe.each(['parse', 'index'])('a worker killed with SIGKILL in the stage %s of a large PDF', (stage) => {
  let server: TestServer;
  let user: ApiUser;
  let job: Json;
  let killed = '';

  beforeAll(async () => {
    server = await startServer({ env: { JOB_LEASE_MS: String(LEASE_MS) } });
    user = await registerOver(server.url, 'author@example.org');
    const { job_id } = await user.upload({ name: 'large.pdf', content: LARGE_PDF });
    killed = await waitUntil(async () => {
      const { body } = await user.request('GET', `/jobs/${job_id}`);
      if (body.finished_at !== null) throw new Error(`ended before the stage ${stage} was seen`);
      return body.progress?.stage === stage ? body.progress.stage : null;
    });
    server.kill('worker');
    job = await user.finished(job_id);
  }, 180_000);

  afterAll(() => server?.stop());

  test('is taken over without anyone’s help', () => {
    expect(killed).toBe(stage);
    expect(job).toMatchObject({ status: 'completed', attempts: 2, error: null });
  });

  test('leaves each passage once, with every line of every page', async () => {
    const chunks = await allChunks(user, job.result.document_id);
    expect(chunks.length).toBe(job.result.chunks);
    expect(chunks.map(({ ordinal }) => ordinal)).toEqual(chunks.map((_, index) => index));
    const text = chunks.map((chunk) => chunk.text).join('\n');
    for (let page = 1; page <= PAGES; page++) {
      expect(text).toContain(`p${page}l1 `);
      expect(text).toContain(`p${page}l30 `);
    }
  });

  test('leaves each passage once in the word index', async () => {
    for (const marker of ['p1l1', 'p200l15', `p${PAGES}l30`]) {
      const { body } = await user.request('POST', '/search/keyword', { query: marker, limit: 50 });
      const ids = body.results.map(({ chunk_id }: Json) => chunk_id);
      expect(ids.length).toBeGreaterThan(0);
      expect(new Set(ids).size).toBe(ids.length);
    }
  });
});

describe('an API process killed with SIGKILL', () => {
  let server: TestServer;

  beforeAll(async () => {
    server = await startServer();
  }, 60_000);

  afterAll(() => server?.stop());

  test('is started again, and what it had accepted is there', async () => {
    const user = await registerOver(server.url, 'author@example.org');
    const { job_id } = await user.upload({ name: 'note.txt', content: Buffer.from('A note about herons.') });
    const { body: session } = await user.request('POST', '/auth/login', {
      email: 'author@example.org',
      password: 'correct horse battery staple',
    });
    const again = server.next('api.listening');
    server.kill('api');
    await again;
    const after = apiUser(() => server.url, session.access_token);
    expect(await after.finished(job_id)).toMatchObject({ status: 'completed' });
  });
});

async function allChunks(user: ApiUser, documentId: string): Promise<Json[]> {
  const chunks: Json[] = [];
  let cursor: string | null = null;
  do {
    const page: Json = await user.request(
      'GET',
      `/documents/${documentId}/chunks?limit=100${cursor === null ? '' : `&cursor=${cursor}`}`,
    );
    chunks.push(...page.body.items);
    cursor = page.body.next_cursor;
  } while (cursor !== null);
  return chunks;
}
