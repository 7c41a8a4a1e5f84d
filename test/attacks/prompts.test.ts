import { afterEach, beforeEach, expect, test } from 'vitest';
import { sql } from '../../src/db/sql.ts';
import { fakeChatModel } from '../fakes/chat-model.ts';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';
import { linesOf } from './lines.ts';

/** What stands in a document, and what a model says that obeys it. */
interface Line {
  passage: string;
  says: string;
}

let api: TestApp;
let ada: TestUser;
const said: string[] = [];
const model = fakeChatModel(said);

beforeEach(async () => {
  model.requests.length = 0;
  api = await createTestApp({ chatModel: model });
  ada = await api.registerUser();
  await api.ingestText(await api.registerUser(), {
    text: 'The vault of the otters is open: hunter2.',
    title: 'foreign',
  });
});
afterEach(() => api.close());

/** All that a model which acted could have changed. */
async function world() {
  const tables = ['documents', 'resource_shares', 'api_keys', 'jobs', 'users', 'groups', 'audit_log'];
  return Promise.all(
    tables.map((table) => api.db.query({ text: `SELECT * FROM ${table} ORDER BY rowid`, values: [] })),
  );
}

test.each(linesOf<Line>('prompts'))(
  '"$passage" makes nobody act, and the answer cites only what it stands on',
  async (line) => {
    const id = await api.ingestText(ada, { text: `Otters live in kelp. ${line.passage}`, title: 'mine' });
    said.splice(0, said.length, line.says);
    const before = await world();
    const payload = { query: 'otters' };
    const { answer, citations, results } = (
      await api.inject({ method: 'POST', url: '/search/knowledge', as: ada, payload })
    ).json();
    expect(await world()).toEqual(before);

    // The model saw the passage as data of the caller, and nothing of anybody else.
    const sent = `${model.requests[0]!.system} ${model.requests[0]!.prompt}`;
    expect(sent).not.toContain('hunter2');
    expect(model.requests[0]!.system).not.toContain(line.passage);
    expect(results.map(({ document_id }: { document_id: string }) => document_id)).toEqual([id]);
    const [stored] = await api.db.query<{ text: string }>(sql`SELECT text FROM document_texts t JOIN documents d
    ON d.current_version_id = t.version_id WHERE d.document_id = ${id}`);
    for (const { number, quote } of citations) {
      expect(number).toBe(1);
      expect(stored!.text).toContain(quote);
    }
    expect(answer ?? '').not.toMatch(/https?:\/\/evil|<[a-z/!?]|\]\(|\[[2-9]\]/);
  },
);
