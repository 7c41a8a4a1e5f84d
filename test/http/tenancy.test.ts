import type { LightMyRequestResponse } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OidcProvider } from '../../src/accounts/index.ts';
import { newId } from '../../src/base/ids.ts';
import { now, type Statement, sql } from '../../src/db/sql.ts';
import { AppError } from '../../src/errors/app-error.ts';
import { ERROR_CODES } from '../../src/errors/codes.ts';
import { createEmbeddingModel, type EmbeddingModel } from '../../src/providers/index.ts';
import { addMember, createDocument, createGroup, createUser, shareDocument } from '../factories.ts';
import { type FakeOpenAi, startFakeOpenAi } from '../fakes/openai-server.ts';
import { TEST_PASSWORD } from '../harness/accounts.ts';
import { createTestApp, registeredRoutes, type TestApp, type TestUser } from '../harness/app.ts';
import { CALLERS, type Caller, MATRIX, type MatrixRow, type Resource } from './tenancy-matrix.ts';

/** Where people could sign in; nobody gets that far here. */
const PROVIDER: OidcProvider = {
  name: 'example',
  authorizationUrl: async () => new URL('https://id.example/authorize'),
  identityOf: () => Promise.reject(new AppError('identity_refused')),
};

const LEVELS = { read: 1, write: 2, manage: 3 } as const;

let provider: FakeOpenAi;
let api: TestApp;
let callers: Record<Caller, TestUser | undefined>;
let groupId: string;
/** Documents that have the word. */
let otters: Set<string>;
let ids: Record<'document' | 'unshared document' | 'public document' | 'ended job', string>;

beforeAll(async () => {
  provider = await startFakeOpenAi();
  api = await createTestApp({
    embeddingModel: embedding(provider),
    auth: { oidcProviders: new Map([[PROVIDER.name, PROVIDER]]) },
  });
  await makeCallers();
  ids = {
    document: await api.ingestText(owner(), { text: 'Otters of the owner.', title: 'Otters' }),
    'unshared document': await api.ingestText(owner(), { text: 'Otters nobody knows of.' }),
    'public document': await api.ingestText(owner(), { text: 'Otters for everybody.' }),
    'ended job': '',
  };
  await share(ids.document);
  await api.execute(sql`UPDATE documents SET owner_id = NULL WHERE document_id = ${ids['public document']}`);
  const ended = await startText();
  ids['ended job'] = ended.job_id;
  otters = new Set([ids.document, ids['unshared document'], ids['public document'], ended.document_id]);
  await api.runJob(ended.job_id);
});
afterAll(async () => {
  await api.close();
  await provider.close();
});

function embedding({ url }: FakeOpenAi): EmbeddingModel {
  const ours = { provider: 'openai', url, model: 'fake', apiKey: null, timeoutMs: 60_000 } as const;
  const defaults = { dimensions: null, weight: null, maxChars: null, threads: null };
  return createEmbeddingModel({ ...ours, ...defaults })!;
}

function owner(): TestUser {
  return callers.owner!;
}

async function makeCallers(): Promise<void> {
  const user = () => api.registerUser();
  const ada = await api.registerUser('ada@example.com');
  callers = {
    owner: ada,
    shared_read: await user(),
    shared_write: await user(),
    shared_manage: await user(),
    group_viewer: await user(),
    group_editor: await user(),
    group_admin: await user(),
    former_member: await user(),
    expired_share: await user(),
    stranger: await user(),
    guest: undefined,
    welcome_guest: undefined,
    key_read: await api.createKey(ada, ['read']),
    key_search: await api.createKey(ada, ['search']),
    key_ingest: await api.createKey(ada, ['ingest']),
    key_manage: await api.createKey(ada, ['manage']),
    key_full: await api.createKey(ada, ['read', 'search', 'ingest', 'manage']),
    key_capped: await createKey(ada, { level_cap: 'read' }),
    key_of_group: undefined,
    operator: await user(),
    auditor: await user(),
    super_admin: await user(),
    bad_token: { ...ada, authorization: `${ada.authorization}x` },
  };
  groupId = newId();
  await api.execute(
    sql`INSERT INTO groups (group_id, name, created_at, updated_at) VALUES (${groupId}, 'Otters', ${now}, ${now})`,
    member('group_admin', 'admin'),
    member('group_editor', 'editor'),
    member('group_viewer', 'viewer'),
    member('former_member', 'editor', -1_000),
    ...(['operator', 'auditor', 'super_admin'] as const).map(
      (role) =>
        sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${callers[role]!.userId}, ${role}, ${now})`,
    ),
  );
  callers.key_of_group = await createKey(callers.group_editor!, { group_id: groupId });
}

/** For everything, within these limits. */
async function createKey(user: TestUser, limits: { level_cap?: string; group_id?: string }): Promise<TestUser> {
  const payload = { name: 'limited', scopes: ['read', 'search', 'ingest', 'manage'], ...limits };
  const { secret } = (await api.inject({ method: 'POST', url: '/auth/api-keys', as: user, payload })).json();
  return { ...user, token: secret, authorization: `Bearer ${secret}` };
}

function member(caller: Caller, role: string, expiresInMs: number | null = null): Statement {
  return sql`INSERT INTO group_memberships (group_id, user_id, role, expires_at, created_at, updated_at)
    VALUES (${groupId}, ${callers[caller]!.userId}, ${role}, ${now} + ${expiresInMs}, ${now}, ${now})`;
}

async function share(documentId: string): Promise<void> {
  const toUser = (caller: Caller, level: number, expiresInMs: number | null = null) =>
    sql`INSERT INTO resource_shares (share_id, resource_type, resource_id, grantee_user_id, level, expires_at, created_at)
      VALUES (${newId()}, 'document', ${documentId}, ${callers[caller]!.userId}, ${level}, ${now} + ${expiresInMs}, ${now})`;
  await api.execute(
    toUser('shared_read', LEVELS.read),
    toUser('shared_write', LEVELS.write),
    toUser('shared_manage', LEVELS.manage),
    toUser('expired_share', LEVELS.manage, -1_000),
    sql`INSERT INTO resource_shares (share_id, resource_type, resource_id, grantee_group_id, level, created_at)
      VALUES (${newId()}, 'document', ${documentId}, ${groupId}, ${LEVELS.manage}, ${now})`,
  );
}

async function startText(): Promise<{ job_id: string; document_id: string }> {
  const payload = { text: 'Otters being read' };
  return (await api.inject({ method: 'POST', url: '/ingest/text', as: owner(), payload })).json();
}

async function startJob(): Promise<string> {
  return (await startText()).job_id;
}

/** Shared like the other one, and with no job at work on it. */
async function freshDocument(): Promise<string> {
  const { documentId } = await createDocument(api.db, { ownerId: owner().userId, status: 'ready_words_only' });
  await share(documentId);
  return documentId;
}

/** With somebody who is none of the callers. */
async function freshShare(): Promise<string> {
  const { userId } = await createUser(api.db);
  return shareDocument(api.db, await freshDocument(), { userId });
}

/** With the same members as the other one. */
async function freshGroup(): Promise<string> {
  const id = await createGroup(api.db);
  await addMember(api.db, id, callers.group_admin!.userId, { role: 'admin' });
  await addMember(api.db, id, callers.group_editor!.userId, { role: 'editor' });
  await addMember(api.db, id, callers.group_viewer!.userId, { role: 'viewer' });
  return id;
}

async function freshMember(): Promise<string> {
  const { userId } = await createUser(api.db);
  await addMember(api.db, groupId, userId, { role: 'viewer' });
  return `${groupId} ${userId}`;
}

async function freshInvitation(): Promise<string> {
  const payload = { email: `${newId()}@example.com`, role: 'viewer' };
  const url = `/groups/${groupId}/invitations`;
  const invited = await api.inject({ method: 'POST', url, as: callers.group_admin, payload });
  return `${groupId} ${invited.json().invitation_id}`;
}

/** What a cell destroys is made anew for it. Two ids, where a path has two, are parted by a blank. */
async function idOf(about: Resource): Promise<string> {
  switch (about) {
    case 'running document': {
      const { document_id } = await startText();
      await share(document_id);
      return document_id;
    }
    case 'waiting job':
      return startJob();
    case 'cancelled job': {
      const id = await startJob();
      await api.inject({ method: 'POST', url: `/jobs/${id}/cancel`, as: owner() });
      return id;
    }
    case 'api key': {
      const payload = { name: 'to be deleted' };
      return (await api.inject({ method: 'POST', url: '/auth/api-keys', as: owner(), payload })).json().key_id;
    }
    case 'queue':
      // Any name will do; one as long as that of no queue.
      return newId();
    case 'user':
      return callers.stranger!.userId;
    case 'provider':
      return PROVIDER.name;
    case 'fresh document':
      return freshDocument();
    case 'fresh public document': {
      const id = await freshDocument();
      await api.execute(sql`UPDATE documents SET owner_id = NULL WHERE document_id = ${id}`);
      return id;
    }
    case 'offered document': {
      const id = await freshDocument();
      const payload = { user_id: callers.stranger!.userId };
      await api.inject({ method: 'POST', url: `/documents/${id}/transfer`, as: owner(), payload });
      return id;
    }
    case 'share':
      return freshShare();
    case 'group':
      return groupId;
    case 'fresh group':
      return freshGroup();
    case 'fresh member':
      return freshMember();
    case 'fresh invitation':
      return freshInvitation();
    case 'fresh user':
      return (await createUser(api.db)).userId;
    case 'fresh user and role':
      return `${(await createUser(api.db)).userId} operator`;
    case 'nothing':
    case 'account':
    case 'session':
      return '';
    default:
      return ids[about];
  }
}

type Question = Pick<MatrixRow, 'route' | 'query' | 'body'> & Partial<MatrixRow>;

async function callerFor(row: Question, caller: Caller): Promise<TestUser | undefined> {
  const user = callers[caller];
  if (user === undefined || caller === 'bad_token' || caller.startsWith('key_')) return user;
  // Ends all there is, so it is done to somebody else of the kind.
  if (row.about === 'account') return api.registerUser();
  if (row.about !== 'session') return user;
  const payload = { email: user.email, password: TEST_PASSWORD };
  const { access_token } = (await api.inject({ method: 'POST', url: '/auth/login', payload })).json();
  return { ...user, authorization: `Bearer ${access_token}` };
}

async function ask(row: Question, caller: Caller, id: string): Promise<LightMyRequestResponse> {
  const [method, path] = row.route.split(' ') as ['GET', string];
  const welcome = caller === 'welcome_guest';
  Object.assign(api.guests, { allowGuestRead: welcome, allowGuestIngestion: welcome });
  const as = await callerFor(row, caller);
  const ids = id.split(' ');
  const url = path.replace(/:\w+/g, () => ids.shift()!) + filled(row.query ?? '', id);
  if (row.body !== 'file') {
    return api.inject({
      method,
      url,
      as,
      ...(row.body && { payload: JSON.parse(filled(JSON.stringify(row.body), id)) }),
    });
  }
  const form = new FormData();
  form.set('file', new File(['Otters in a file.'], 'otters.txt'));
  const request = new Request('http://localhost/', { method: 'POST', body: form });
  const headers = { 'content-type': request.headers.get('content-type')! };
  return api.inject({ method, url, as, headers, payload: Buffer.from(await request.arrayBuffer()) });
}

function filled(text: string, id: string): string {
  return text.replaceAll(':id', id).replaceAll(':stranger', callers.stranger!.userId);
}

function outcomeOf(response: LightMyRequestResponse) {
  return response.statusCode < 400 ? response.statusCode : response.json().code;
}

test('every route has a row in the matrix, and every row a route', () => {
  const registered = registeredRoutes(api.app).filter((route) => !route.startsWith('GET /docs'));
  expect([...new Set(MATRIX.map(({ route }) => route))].sort()).toEqual(registered.sort());
});

describe.each(MATRIX.map((row) => ({ row, name: `${row.route}${row.query ?? ''} about ${row.about}` })))(
  '$name',
  ({ row }) => {
    test('is answered as the matrix says', async () => {
      const answered: Record<string, unknown> = {};
      for (const caller of CALLERS) answered[caller] = outcomeOf(await ask(row, caller, await idOf(row.about)));
      expect(answered).toEqual(row.outcomes);
    });

    const blind = CALLERS.filter((caller) =>
      /^(not_found|unauthenticated|invalid_credentials)$/.test(String(row.outcomes[caller])),
    );
    if (!row.route.includes(':') || blind.length === 0) return;
    test('tells those who may not see it nothing but what they ask', async () => {
      const id = await idOf(row.about);
      // The first of two: of the group, not of the member.
      const unknown = id.replace(/^\S+/, ({ length }) => (newId() + newId()).slice(-length));
      for (const caller of blind) {
        const [refused, absent] = [await ask(row, caller, id), await ask(row, caller, unknown)];
        expect(comparable(refused, id), caller).toEqual(comparable(absent, unknown));
      }
    });
  },
);

test('HEAD opens nothing that GET does not', async () => {
  for (const row of MATRIX) {
    if (!row.route.startsWith('GET ') || row.route.endsWith('/events')) continue;
    for (const caller of CALLERS) {
      const expected = row.outcomes[caller];
      const status = typeof expected === 'number' ? expected : ERROR_CODES[expected].status;
      const head = await ask({ ...row, route: row.route.replace('GET', 'HEAD') }, caller, await idOf(row.about));
      expect([row.route, caller, head.statusCode, head.body]).toEqual([row.route, caller, status, '']);
    }
  }
});

/** All of an answer but what differs between any two: its own ids, the time, and the id that was asked for. */
function comparable(response: LightMyRequestResponse, id: string) {
  const { date: _, 'x-request-id': __, traceparent: ___, ...headers } = response.headers;
  const withoutTrace = response.body.replace(/"trace_id":"\w+"/, '');
  const body = id.split(' ').reduce((text, part) => text.replaceAll(part, 'ID'), withoutTrace);
  return { status: response.statusCode, headers, body };
}

describe('lists, searches and single reads', () => {
  const readers = CALLERS.filter(
    (caller) => !['guest', 'bad_token', 'key_search', 'key_ingest', 'key_manage'].includes(caller),
  );

  test.each(readers)('agree on what %s sees', async (caller) => {
    const all = await api.db.query<{ document_id: string }>(
      sql`SELECT document_id FROM documents WHERE status = 'ready'`,
    );
    const single: string[] = [];
    for (const { document_id } of all) {
      const response = await ask({ route: 'GET /documents/:document_id' }, caller, document_id);
      if (response.statusCode === 200) single.push(document_id);
    }
    const ready = (await listedBy(caller)).filter(({ status }) => status === 'ready');
    expect(idsIn(ready)).toEqual(single.sort());
    if (caller === 'key_read') return;
    for (const mode of ['keyword', 'vector', 'hybrid', 'knowledge']) {
      const found = (
        await ask({ route: `POST /search/${mode}`, body: { query: 'otters', limit: 50 } }, caller, '')
      ).json();
      // Meaning is near to everything; a word is in a text or not.
      const expected = mode === 'keyword' ? single.filter((id) => otters.has(id)) : single;
      expect(idsIn(found.results), mode).toEqual(expected);
    }
  });

  async function listedBy(caller: Caller) {
    const items: { document_id: string; status: string }[] = [];
    let cursor = '';
    do {
      const page = (await ask({ route: 'GET /documents', query: `?limit=100${cursor}` }, caller, '')).json();
      items.push(...page.items);
      cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`;
    } while (cursor !== '');
    return items;
  }

  function idsIn(items: { document_id: string }[]): string[] {
    return [...new Set(items.map(({ document_id }) => document_id))].sort();
  }

  test('a filter by ids or groups of others finds nothing more', async () => {
    const stranger = callers.stranger!;
    const filters = [{ document_ids: [ids.document, ids['unshared document']] }, { group_ids: [groupId] }];
    for (const filter of filters) {
      const payload = { query: 'otters', filters: filter };
      const response = await api.inject({ method: 'POST', url: '/search/hybrid', as: stranger, payload });
      expect(response.json().results).toEqual([]);
    }
    const listed = await api.inject({ url: `/documents?group_id=${groupId}`, as: stranger });
    expect(listed.json().items).toEqual([]);
  });
});

test('a key for adding content shares with a group what it adds, and nothing that was there before', async () => {
  const user = await api.registerUser();
  const key = await api.createKey(user, ['ingest']);
  const group = newId();
  await api.execute(
    sql`INSERT INTO groups (group_id, name, created_at, updated_at) VALUES (${group}, 'Herons', ${now}, ${now})`,
    sql`INSERT INTO group_memberships (group_id, user_id, role, created_at, updated_at)
      VALUES (${group}, ${user.userId}, 'editor', ${now}, ${now})`,
  );
  const add = async (as: TestUser, source: string, group_id?: string) => {
    const payload = { text: 'Private so far.', source, group_id };
    return (await api.inject({ method: 'POST', url: '/ingest/text', as, payload })).statusCode;
  };
  expect(await add(user, 'diary')).toBe(202);
  expect(await add(key, 'diary', group)).toBe(403);
  expect(await add(key, 'diary')).toBe(202);
  expect(await add(user, 'diary', group)).toBe(202);

  // A program that adds the same source each night goes on.
  expect(await add(key, 'report', group)).toBe(202);
  expect(await add(key, 'report', group)).toBe(202);
});

test('the key of an operator shows and stops no job of others, whatever its scopes', async () => {
  const [ada, operator] = [await api.registerUser(), await api.registerUser()];
  await api.execute(sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${operator.userId}, 'operator', 0)`);
  const key = await api.createKey(operator, ['read', 'ingest', 'content:expire']);
  const text = { text: 'To be read later.' };
  const { job_id } = (await api.inject({ method: 'POST', url: '/ingest/text', as: ada, payload: text })).json();

  expect((await api.inject({ url: `/jobs/${job_id}`, as: operator })).statusCode).toBe(200);
  expect((await api.inject({ url: `/jobs/${job_id}`, as: key })).statusCode).toBe(404);
  expect((await api.inject({ url: `/jobs/${job_id}/logs`, as: key })).statusCode).toBe(404);
  expect((await api.inject({ method: 'POST', url: `/jobs/${job_id}/cancel`, as: key })).statusCode).toBe(404);
});

describe('rights that end', () => {
  test('end with the next request: a share, a membership, a session, a key, an account', async () => {
    const [giver, taker] = [await api.registerUser(), await api.registerUser()];
    const id = await api.ingestText(giver, { text: 'Lent for a while.' });
    const read = async (as: TestUser) => (await api.inject({ url: `/documents/${id}`, as })).statusCode;
    await api.execute(sql`INSERT INTO resource_shares (share_id, resource_type, resource_id, grantee_user_id, level, created_at)
      VALUES (${newId()}, 'document', ${id}, ${taker.userId}, 1, ${now})`);
    expect(await read(taker)).toBe(200);
    await api.execute(sql`DELETE FROM resource_shares WHERE resource_id = ${id}`);
    expect(await read(taker)).toBe(404);

    const key = await api.createKey(giver, ['read']);
    expect(await read(key)).toBe(200);
    await api.execute(sql`DELETE FROM api_keys WHERE user_id = ${giver.userId}`);
    expect(await read(key)).toBe(401);

    await api.inject({ method: 'POST', url: '/auth/logout', as: giver });
    expect(await read(giver)).toBe(401);
    await api.execute(sql`UPDATE users SET status = 'disabled' WHERE user_id = ${taker.userId}`);
    expect(await read(taker)).toBe(401);
  });

  test('a document that has expired is gone for its owner too', async () => {
    const id = await api.ingestText(owner(), { text: 'Gone tomorrow.' });
    await api.execute(sql`UPDATE documents SET expires_at = ${now} - 1 WHERE document_id = ${id}`);
    for (const part of ['', '/chunks', '/content']) {
      expect((await api.inject({ url: `/documents/${id}${part}`, as: owner() })).statusCode).toBe(404);
    }
    const found = await api.inject({
      method: 'POST',
      url: '/search/keyword',
      as: owner(),
      payload: { query: 'tomorrow' },
    });
    expect(found.json().results).toEqual([]);
  });
});

describe('a guest', () => {
  test('adds what is public, watches its job with the token, and without it sees nothing', async () => {
    Object.assign(api.guests, { allowGuestRead: true, allowGuestIngestion: true });
    const accepted = (
      await api.inject({ method: 'POST', url: '/ingest/text', payload: { text: 'A guest was here.' } })
    ).json();
    const status = async (headers: Record<string, string>) =>
      (await api.inject({ url: `/jobs/${accepted.job_id}`, headers })).statusCode;
    expect(await status({ 'job-token': accepted.job_token })).toBe(200);
    expect(await status({})).toBe(404);
    expect(await status({ 'job-token': 'x' })).toBe(404);
    await api.runJob(accepted.job_id);
    const shown = (await api.inject({ url: `/documents/${accepted.document_id}` })).json();
    expect(shown).toMatchObject({
      owner_id: null,
      status: 'ready',
      permissions: ['read'],
      expires_at: expect.any(String),
    });
  });

  test('may not give itself an owner, nor replace what another has added under the same source', async () => {
    Object.assign(api.guests, { allowGuestRead: true, allowGuestIngestion: true });
    const add = async (text: string, as?: TestUser) => {
      const payload = { text, source: 'https://example.org/shared' };
      return (await api.inject({ method: 'POST', url: '/ingest/text', as, payload })).json().document_id;
    };
    const documents = [
      await add('one'),
      await add('two'),
      await add('three', owner()),
      await add('four', callers.stranger),
    ];
    expect(new Set(documents).size).toBe(4);
  });
});

test('a group is not told apart from one that does not exist', async () => {
  const add = async (group_id: string) => {
    const payload = { text: 'For the group', group_id };
    const response = await api.inject({ method: 'POST', url: '/ingest/text', as: callers.stranger, payload });
    return comparable(response, group_id);
  };
  expect(await add(groupId)).toEqual(await add(newId()));
});

test.each([
  ['group_viewer', 403],
  ['group_editor', 202],
  ['group_admin', 202],
  ['former_member', 404],
] as const)('%s adding to the group is a %i', async (caller, status) => {
  const payload = { text: 'For the group', group_id: groupId };
  const response = await api.inject({ method: 'POST', url: '/ingest/text', as: callers[caller], payload });
  expect(response.statusCode).toBe(status);
});
