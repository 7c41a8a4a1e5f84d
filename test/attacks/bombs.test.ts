import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';
import { BOMBS } from './bombs.ts';
import { linesOf } from './lines.ts';

let api: TestApp;
let ada: TestUser;

beforeAll(async () => {
  api = await createTestApp({ settings: { PARSE_MAX_PAGES: '20' } });
  ada = await api.registerUser();
});
afterAll(() => api.close());

async function upload(bytes: Buffer): Promise<string> {
  const form = new FormData();
  form.set('file', new File([new Uint8Array(bytes)], 'a.bin', { type: 'text/plain' }));
  const request = new Request('http://localhost/', { method: 'POST', body: form });
  const headers = { 'content-type': request.headers.get('content-type')! };
  const payload = Buffer.from(await request.arrayBuffer());
  const accepted = await api.inject({ method: 'POST', url: '/ingest/file', as: ada, headers, payload });
  expect(accepted.statusCode).toBe(202);
  return accepted.json().job_id;
}

test.each(linesOf<{ file: string; expect: string }>('bombs'))('$file: $expect', async ({ file, expect: outcome }) => {
  const jobId = await upload(await BOMBS[file]!());
  await api.runJob(jobId);
  const { status, error } = (await api.inject({ url: `/jobs/${jobId}`, as: ada })).json();
  expect(error?.code ?? status).toBe(outcome);
});

test('nothing of a foreign file or of an embedded one has become text', async () => {
  for (const query of ['root', 'innermost', 'alert']) {
    const found = await api.inject({ method: 'POST', url: '/search/keyword', as: ada, payload: { query } });
    expect(found.json().results).toEqual([]);
  }
});
