import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';
import { linesOf } from './lines.ts';

let api: TestApp;
let ada: TestUser;

beforeAll(async () => {
  api = await createTestApp();
  ada = await api.registerUser();
});
afterAll(() => api.close());

/** Wherever a caller can put text that may come into the log. */
async function sayEverywhere(text: string): Promise<void> {
  const inPath = encodeURIComponent(text);
  await api.inject({ url: `/documents/${inPath}`, as: ada });
  await api.app.inject({ url: `/no/such/${inPath}`, headers: { 'user-agent': inPath } });
  await api.inject({ url: `/documents?q=${inPath}`, as: ada });
  await api.inject({ method: 'POST', url: '/search/keyword', as: ada, payload: { query: text } });
  await api.inject({ method: 'POST', url: '/ingest/text', as: ada, payload: { text, source: 'x', [text]: text } });
  await api.inject({ method: 'POST', url: '/auth/login', payload: { email: text, password: text } });
  const headers = { authorization: `Bearer ${inPath}`, 'x-request-id': inPath, traceparent: inPath };
  await api.inject({ url: '/auth/me', headers });
}

test.each(linesOf<{ text: string }>('logs'))('$text stays within the line that tells of it', async ({ text }) => {
  const before = api.logLines.length;
  await sayEverywhere(text);
  const written = api.logLines.slice(before);
  expect(written.length).toBeGreaterThan(0);
  for (const line of written) {
    expect(line.endsWith('\n')).toBe(true);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    const { level, msg } = JSON.parse(line);
    expect([level, msg]).not.toContain('forged');
    expect(level).toBeLessThan(60);
  }
});
