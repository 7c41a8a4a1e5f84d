import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/base/ids.ts';
import { addMember, createGroup, shareDocument } from '../factories.ts';
import { fakeEmbeddingModel } from '../fakes/embedding-model.ts';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';

const TEXTS = [
  'Otters sleep in rafts of kelp. They hold hands, so that none drifts away.',
  'Herons fish at dawn, otters at dusk. The pond belongs to the heron until noon.',
  'A kelp forest feeds many. Urchins eat kelp, otters eat urchins, and so the forest stands.',
  'Dusk is when the bats come. Nobody has seen where they sleep.',
];
/** With the same words, in other numbers and lengths; the third would be the best answer to most of the questions. */
const FOREIGN_TEXTS = [
  'Otters otters otters everywhere, and not a drop of kelp.',
  'Kelp for sale, cheap kelp. Dusk till dawn.',
  `otters and herons and kelp and dusk and bats ${'and ponds '.repeat(200)}`,
  'Otters sleep in rafts of kelp. They hold hands, so that none drifts away.',
];
const QUERIES = ['otters', 'kelp forest', 'when do bats come at dusk?', '"otters at dusk"', 'sale', 'ponds'];

interface Answer {
  request: string;
  status: number;
  contentType: string | null;
  body: string;
}

interface Tenant {
  api: TestApp;
  url: string;
  user: TestUser;
  documentIds: string[];
  /** A document, a group, a job and a share of somebody else where there is somebody, ids of nothing where there is not. */
  strangeIds: Record<'document' | 'group' | 'job' | 'share' | 'user', string>;
}

let alone: Tenant;
let crowded: Tenant;

beforeAll(async () => {
  [alone, crowded] = [await moveIn(false), await moveIn(true)];
});
afterAll(() => Promise.all([alone.api.close(), crowded.api.close()]));

/** The same tenant in a database of their own, or with others before, between and after what they do. */
async function moveIn(hasOthers: boolean): Promise<Tenant> {
  const api = await createTestApp({ embeddingModel: fakeEmbeddingModel() });
  const user = await api.registerUser('tenant@example.com');
  const other = hasOthers ? await api.registerUser('other@example.com') : null;
  const ofOthers: string[] = [];
  const documentIds: string[] = [];
  for (const [i, text] of TEXTS.entries()) {
    if (other !== null) ofOthers.push(await api.ingestText(other, { text: FOREIGN_TEXTS[i]!, title: 'Theirs' }));
    documentIds.push(await api.ingestText(user, { text, title: `Own ${i}`, tags: [i % 2 === 0 ? 'even' : 'odd'] }));
  }
  const groupId = await createGroup(api.db, 'Herons');
  await addMember(api.db, groupId, user.userId, { role: 'admin' });
  await shareDocument(api.db, documentIds[0]!, { groupId });
  const strangeIds = other === null ? idsOfNothing() : await addLife(api, other, ofOthers);
  return { api, url: await api.listen(), user, documentIds, strangeIds };
}

function idsOfNothing(): Tenant['strangeIds'] {
  const [document, group, job, share] = Array.from({ length: 4 }, newId);
  return { document: document!, group: group!, job: job!, share: share!, user: 'ab'.repeat(32) };
}

/** What others have beside their documents: a group, a share, a key, and a job that waits. */
async function addLife(api: TestApp, other: TestUser, documentIds: string[]): Promise<Tenant['strangeIds']> {
  const group = await createGroup(api.db, 'Others');
  await addMember(api.db, group, other.userId, { role: 'admin' });
  const share = await shareDocument(api.db, documentIds[0]!, { groupId: group }, { level: 3 });
  await api.createKey(other, ['read']);
  const waiting = await api.inject({
    method: 'POST',
    url: '/ingest/text',
    as: other,
    payload: { text: 'To be read.' },
  });
  return { document: documentIds[0]!, group, job: waiting.json().job_id, share, user: other.userId };
}

/** Everything that somebody without a role in the system can ask, over the network; in order, so that answers line up. */
async function everyAnswer(tenant: Tenant): Promise<Answer[]> {
  const { documentIds, strangeIds: strange } = tenant;
  const answers: Answer[] = [];
  const names = new Map<string, string>();
  const ask = async (method: string, path: string, body?: object) => {
    answers.push(await answerOf(tenant, names, method, path, body));
  };
  for (const path of ['/documents', '/documents?owner=me', '/documents?tag=even', '/jobs', '/groups', '/transfers']) {
    await ask('GET', path);
  }
  for (const path of ['/auth/me', '/auth/api-keys', '/users/me/usage']) await ask('GET', path);
  await askEveryPage(tenant, names, answers);
  for (const id of [...documentIds, strange.document]) {
    for (const part of ['', '/chunks', '/content']) await ask('GET', `/documents/${id}${part}`);
  }
  for (const query of QUERIES) {
    for (const mode of ['keyword', 'vector', 'hybrid', 'knowledge']) {
      await ask('POST', `/search/${mode}`, { query });
      await ask('POST', `/search/${mode}`, { query, limit: 2 });
    }
    await ask('POST', '/search/hybrid', { query, filters: { document_ids: [documentIds[1], strange.document] } });
    await ask('POST', '/search/hybrid', { query, filters: { group_ids: [strange.group] } });
    await ask('POST', '/search/hybrid', { query, filters: { tags: ['odd'] } });
    await ask('POST', '/search/knowledge', { query, stream: true });
  }
  for (const part of ['', '/logs', '/events']) await ask('GET', `/jobs/${strange.job}${part}`);
  await ask('POST', `/jobs/${strange.job}/cancel`);
  for (const part of ['', '/members', '/policy', '/usage', '/invitations']) {
    await ask('GET', `/groups/${strange.group}${part}`);
  }
  await ask('GET', `/shares?resource_type=document&resource_id=${strange.document}`);
  await ask('DELETE', `/shares/${strange.share}`);
  await ask('DELETE', `/documents/${strange.document}`);
  await ask('PATCH', `/documents/${strange.document}`, { title: 'Mine' });
  const share = { resource_type: 'document', resource_id: documentIds[1], permission: 'read' };
  await ask('POST', '/shares', { ...share, grantee_type: 'group', grantee_id: strange.group });
  await ask('POST', '/ingest/text', { text: 'For a group.', group_id: strange.group });
  await ask('GET', `/users/${strange.user}`);
  return answers;
}

async function askEveryPage(tenant: Tenant, names: Map<string, string>, answers: Answer[]): Promise<void> {
  for (let cursor: string | null = ''; cursor !== null; ) {
    const path = `/documents?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`;
    const response = await fetchAs(tenant, 'GET', path);
    const text = await response.text();
    cursor = JSON.parse(text).next_cursor;
    answers.push(comparable(names, 'GET a page of /documents', response, text));
  }
}

async function answerOf(tenant: Tenant, names: Map<string, string>, method: string, path: string, body?: object) {
  const response = await fetchAs(tenant, method, path, body);
  const request = `${method} ${path} ${JSON.stringify(body) ?? ''}`;
  return comparable(names, request, response, await response.text());
}

function fetchAs({ url, user }: Tenant, method: string, path: string, body?: object): Promise<Response> {
  const headers = { authorization: user.authorization, ...(body && { 'content-type': 'application/json' }) };
  return fetch(url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
}

const ID = /\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b[0-9a-f]{64}\b/g;
const INSTANT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

/** All but what is another in every database: each id becomes the number of its first appearance, so that order stays. */
function comparable(names: Map<string, string>, request: string, response: Response, text: string): Answer {
  const nameOf = (id: string) => {
    const name = names.get(id) ?? `id ${names.size + 1}`;
    names.set(id, name);
    return name;
  };
  const without = (part: string) => part.replace(ID, nameOf).replace(INSTANT, 'instant');
  const body = without(text)
    .replace(/"trace_id":"\w+"/g, '"trace_id":"trace"')
    .replace(/"took_ms":[\d.]+/g, '"took_ms":0')
    .replace(/"next_cursor":"[^"]+"/, '"next_cursor":"cursor"');
  return {
    request: without(request),
    status: response.status,
    contentType: response.headers.get('content-type'),
    body,
  };
}

test('two tenants who differ only in the documents of others get the same answers, byte by byte', async () => {
  const [expected, answers] = [await everyAnswer(alone), await everyAnswer(crowded)];
  expect(answers).toEqual(expected);

  // That there is something to compare: what is found, refused and not there.
  expect(expected.length).toBeGreaterThan(100);
  expect(new Set(expected.map(({ status }) => status))).toEqual(new Set([200, 403, 404]));
  expect(expected.filter(({ body }) => body.includes('"score"')).length).toBeGreaterThan(40);
  expect(expected.filter(({ body }) => body.includes('"quote"')).length).toBeGreaterThan(4);
});
