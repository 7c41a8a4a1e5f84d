import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildPdf } from '../document-builders.ts';
import { type ApiUser, type Json, registerOver } from '../harness/api-user.ts';
import { startServer, type TestServer } from '../harness/server.ts';
import { startHranaServer } from '../hrana-server/server.ts';

const HERONS = buildPdf([
  '# Herons\n\nGrey herons nest in colonies called heronries.',
  '# Food\n\nA grey heron eats fish, frogs and voles. It hunts at dawn.',
]);

describe('API and worker on a database server instead of a file', () => {
  let directory: string;
  let database: Awaited<ReturnType<typeof startHranaServer>>;
  let server: TestServer;
  let user: ApiUser;
  let job: Json;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'anyrag-database-server-'));
    database = await startHranaServer({ path: join(directory, 'remote.db'), token: 'let-me-in' });
    server = await startServer({
      env: { DATABASE_URL: database.url, DATABASE_AUTH_TOKEN: 'let-me-in', JOB_LEASE_MS: '2000' },
    });
    user = await registerOver(server.url, 'birder@example.org');
    const { job_id } = await user.upload({ name: 'herons.pdf', content: HERONS }, { source: 'herons' });
    job = await user.finished(job_id);
  }, 120_000);

  afterAll(async () => {
    await server?.stop();
    await database?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('a document is ingested, found and cited', async () => {
    expect(job).toMatchObject({ status: 'completed', error: null });
    const answer = await user.ask('What does a grey heron eat?');
    expect(answer.answer).toContain('fish, frogs and voles');
    expect(answer.citations[0].quote).toContain('fish, frogs and voles');
  });

  test('the same source again replaces the document', async () => {
    const { job_id, document_id } = await user.upload(
      { name: 'herons.pdf', content: buildPdf(['# Herons\n\nThe purple heron prefers reed beds.']) },
      { source: 'herons' },
    );
    expect(document_id).toBe(job.result.document_id);
    expect(await user.finished(job_id)).toMatchObject({ status: 'completed', result: { version: 2 } });
    const { body } = await user.request('POST', '/search/keyword', { query: 'heron' });
    expect(body.results.map(({ text }: Json) => text)).toEqual([expect.stringContaining('purple heron')]);
  });

  test('a killed worker’s job is taken over', async () => {
    const pages = Array.from({ length: 300 }, (_, page) => `# Page ${page}\n\nAn observation numbered obs${page}.`);
    const { job_id } = await user.upload({ name: 'log.pdf', content: buildPdf(pages) });
    server.kill('worker');
    expect(await user.finished(job_id)).toMatchObject({ status: 'completed' });
  }, 120_000);

  test('deleting takes it out of every later answer', async () => {
    const { status } = await user.request('DELETE', `/documents/${job.result.document_id}`);
    expect(status).toBe(204);
    const { body } = await user.request('POST', '/search/keyword', { query: 'reed beds' });
    expect(body.results).toEqual([]);
  });
});
