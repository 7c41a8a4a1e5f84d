import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';
import { linesOf } from './lines.ts';

/** A search, by headers and a body that are not what they should be. */
interface Line {
  request: string;
  headers: Record<string, string>;
  body: string;
  expect: [status: number, code: string | null];
}

let api: TestApp;
let ada: TestUser;

beforeAll(async () => {
  api = await createTestApp();
  ada = await api.registerUser();
});
afterAll(() => api.close());

test.each(linesOf<Line>('requests'))('$request: $expect', async ({ headers, body, expect: [status, code] }) => {
  const response = await api.inject({ method: 'POST', url: '/search/keyword', as: ada, headers, payload: body });
  expect([response.statusCode, response.json().code ?? null]).toEqual([status, code]);
});
