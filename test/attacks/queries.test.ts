import { afterAll, beforeAll, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';
import { linesOf } from './lines.ts';

/** A search by words, or a list by its query string: titles of what it finds, or the code of its refusal. */
interface Line {
  query?: unknown;
  list?: string;
  expect: string[] | string;
}

let api: TestApp;
let ada: TestUser;

beforeAll(async () => {
  api = await createTestApp();
  ada = await api.registerUser();
  const eve = await api.registerUser();
  await api.ingestText(ada, { text: 'Otters in kelp.', title: 'mine', metadata: { shelf: 3 }, tags: ['birds'] });
  await api.ingestText(eve, { text: 'Otters in foreign kelp.', title: 'foreign', metadata: { shelf: 1 } });
});
afterAll(() => api.close());

async function answerTo({ list, expect: _, ...search }: Line) {
  if (list === undefined) return api.inject({ method: 'POST', url: '/search/keyword', as: ada, payload: search });
  return api.inject({ url: `/documents?${encodeURI(list).replaceAll('%25', '%')}`, as: ada });
}

const lines = linesOf<Line>('queries').map((line) => ({ line, asked: line.list ?? JSON.stringify(line) }));

test.each(lines)('$asked', async ({ line }) => {
  const response = await answerTo(line);
  const { code, results, items } = response.json();
  if (response.statusCode !== 200) {
    expect(code).toBe(line.expect);
    return;
  }
  expect((results ?? items).map(({ title }: { title: string }) => title)).toEqual(line.expect);
});

test('none of them has changed anything', async () => {
  const rows = await api.db.query(sql`SELECT title FROM documents ORDER BY title`);
  expect(rows.map(({ title }) => title)).toEqual(['foreign', 'mine']);
});
