import fc from 'fast-check';
import type { InjectOptions } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/base/ids.ts';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';
import type { Json, Operation } from '../harness/contract.ts';
import { fitting, mutated, STRANGE } from '../harness/schema-arbitrary.ts';

/** FUZZ_RUNS requests for each operation and kind; with it the seed is another each time, unless FUZZ_SEED says which. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 10);
const SEED = Number(process.env.FUZZ_SEED ?? (process.env.FUZZ_RUNS === undefined ? 1 : Date.now() % 2 ** 31));

/** What a schema cannot say about its input, and why a request that fits it may be a 400 all the same. */
const MAY_BE_REFUSED: Record<string, string> = {
  'POST /auth/register': 'what is an e-mail address and a good password is decided behind',
  'POST /auth/login': 'what is an e-mail address is decided behind',
  'GET /auth/oidc/{provider}/login': 'return_to must be an allowed URL, and goes with a challenge',
  'POST /auth/oidc/{provider}/link': 'return_to must be an allowed URL, and goes with a challenge',
  'POST /auth/api-keys': 'expires_at must be in the future',
  'POST /groups/{group_id}/members': 'exactly one of user_id and email, and what is an e-mail is decided behind',
  'POST /groups/{group_id}/invitations': 'what is an e-mail address is decided behind',
  'GET /shares': 'either a resource or a group',
};
/** Without a model there is nothing to search with. */
const MAY_BE_UNAVAILABLE = new Set(['POST /search/vector']);
/** They would end the session that the others need. */
const NOT_SIGNED_IN = new Set(['POST /auth/logout', 'POST /auth/logout-everywhere']);

interface World {
  callers: Record<string, TestUser | undefined>;
  documentId: string;
  endedJobId: string;
}

let api: TestApp;
let world: World;

beforeAll(async () => {
  console.log(`fuzzing with FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}`);
  api = await createTestApp({ allowGuestRead: true, allowGuestIngestion: true });
  const owner = await api.registerUser();
  const accepted = await api.inject({
    method: 'POST',
    url: '/ingest/text',
    as: owner,
    payload: { text: 'Otters hold hands.' },
  });
  await api.runJobs();
  world = {
    callers: {
      owner,
      stranger: await api.registerUser(),
      key: await api.createKey(owner, ['read', 'search', 'ingest', 'manage']),
      guest: undefined,
      forged: { ...owner, authorization: 'Bearer forged' },
    },
    documentId: accepted.json().document_id,
    endedJobId: accepted.json().job_id,
  };
});
afterAll(() => api.close());

/** A request as it is generated: its caller and its path's id by name, so that a failure can be read and repeated. */
interface Draft {
  caller: string;
  id: string;
  query: Record<string, unknown>;
  headers: Record<string, string>;
  body: unknown;
  /** Bytes instead of the body. */
  raw: { type: string; content: string } | null;
}

function parametersOf(operation: Operation, place: string): Json[] {
  return (operation.definition.parameters ?? []).filter((parameter: Json) => parameter.in === place);
}

function drafts(operation: Operation, root: Json, isFitting: boolean): fc.Arbitrary<Draft> {
  const callers = Object.keys(CALLER_WEIGHTS).filter(
    (caller) => !NOT_SIGNED_IN.has(nameOf(operation)) || caller === 'guest' || caller === 'forged',
  );
  const body = bodyOf(operation, root) ?? fc.constant(undefined);
  const query = queryOf(operation, root, isFitting);
  const draft = fc.record({
    caller: fc.oneof(...callers.map((caller) => ({ weight: CALLER_WEIGHTS[caller]!, arbitrary: fc.constant(caller) }))),
    id: fc.constantFrom('real', 'real', 'unknown'),
    query,
    headers: headersOf(operation, root),
    body,
    raw: fc.constant(null),
  });
  if (isFitting) return draft;
  // One thing at a time, or the first mistake would hide the others.
  const hasBody = operation.definition.requestBody !== undefined;
  const mistakes: fc.Arbitrary<Partial<Draft>>[] = [
    fc.record({ id: strangeText() }),
    fc.record({ query: mutated(query) as typeof query }),
    fc.record({ raw: rawBody() }),
    ...(hasBody ? Array(3).fill(fc.record({ body: mutated(body) })) : []),
  ];
  return fc.tuple(draft, fc.oneof(...mistakes)).map(([fits, mistake]) => ({ ...fits, ...mistake }));
}

const CALLER_WEIGHTS: Record<string, number> = { owner: 6, key: 2, stranger: 1, guest: 1, forged: 1 };

function bodyOf({ definition }: Operation, root: Json): fc.Arbitrary<unknown> | null {
  const content = definition.requestBody?.content;
  if (content === undefined) return null;
  if (content['application/json'] !== undefined) {
    return fc.tuple(fitting(content['application/json'].schema, root), fc.boolean()).map(plausible);
  }
  // A form has the fields of a text, which the document describes as they are before they are written as form fields.
  const { text: _, media_type: __, ...properties } = root.components.schemas.IngestText.properties;
  return fitting(
    { type: 'object', properties: { ...properties, file: { type: 'string', minLength: 1 } }, required: ['file'] },
    root,
  );
}

/** Names of things that do not exist mostly left out, or little else would be asked for. */
function plausible([body, keepsGroup]: [Json, boolean]): unknown {
  const { model: _, group_id, ...rest } = body;
  return keepsGroup && group_id !== undefined ? { ...rest, group_id } : rest;
}

/** Cursors that are read, and then not understood. */
function cursors(): fc.Arbitrary<string> {
  const position = fc.oneof(
    fc.array(fc.oneof(fc.string(), fc.double(), fc.integer()), { maxLength: 3 }),
    fc.jsonValue(),
  );
  const written = fc.oneof(
    position.map((value) => JSON.stringify(value)),
    fc.constantFrom('[1e999]', '[-1e999,""]', '["\\ud800"]'),
  );
  return written.map((text) => Buffer.from(text).toString('base64url'));
}

function queryOf(operation: Operation, root: Json, isFitting: boolean): fc.Arbitrary<Record<string, unknown>> {
  const shown = parametersOf(operation, 'query').filter(({ name }) => !(isFitting && name === 'cursor'));
  const special: Record<string, fc.Arbitrary<unknown>> = { wait: fc.constantFrom(0, 0.01), cursor: cursors() };
  const values = shown.map(({ name, schema }) => [name, special[name] ?? fitting(schema, root)]);
  const requiredKeys = shown.filter(({ required }) => isFitting && required).map(({ name }) => name);
  return fc.record(Object.fromEntries(values), { requiredKeys });
}

function headersOf(operation: Operation, root: Json): fc.Arbitrary<Record<string, string>> {
  const visible = ({ schema }: Json) => fitting(schema, root).map((text) => String(text).replace(/[^\x21-\x7e]/g, '-'));
  const values = parametersOf(operation, 'header').map((header) => [header.name, visible(header)]);
  return fc.record(Object.fromEntries(values), { requiredKeys: [] }) as fc.Arbitrary<Record<string, string>>;
}

function rawBody() {
  return fc.record({
    type: fc.constantFrom(
      'application/json',
      'text/plain',
      'multipart/form-data',
      'multipart/form-data; boundary=x',
      '*/*',
      'x',
    ),
    content: fc.oneof(fc.string(), fc.constantFrom('{', '{"a":1', '[]', '--x\r\n', '--x--', '"\\ud800"', '\ufeff{}')),
  });
}

function strangeText(): fc.Arbitrary<string> {
  return fc.constantFrom(...STRANGE.filter((value) => typeof value === 'string'));
}

function nameOf({ method, path }: Operation): string {
  return `${method} ${path}`;
}

async function send(operation: Operation, draft: Draft) {
  const id = draft.id === 'real' ? await realId(operation) : draft.id === 'unknown' ? newId() : draft.id;
  const path = operation.path.replace(/\{\w+\}/, encodeURIComponent(id.toWellFormed()));
  const query = new URLSearchParams(
    Object.entries(draft.query ?? {}).map(([name, value]): [string, string] => [name, asText(value)]),
  );
  const request: InjectOptions = {
    method: operation.method as 'GET',
    url: query.size === 0 ? path : `${path}?${query}`,
    headers: draft.headers,
  };
  return api.inject({ ...request, ...(await payloadOf(operation, draft)), as: world.callers[draft.caller] });
}

async function payloadOf(operation: Operation, { raw, body, headers }: Draft): Promise<InjectOptions> {
  if (raw !== null) return { payload: raw.content, headers: { ...headers, 'content-type': raw.type } };
  if (body === undefined) return {};
  if (operation.definition.requestBody.content['application/json'] !== undefined) {
    return { payload: JSON.stringify(body), headers: { ...headers, 'content-type': 'application/json' } };
  }
  const request = new Request('http://localhost/', { method: 'POST', body: formOf(body) });
  return {
    payload: Buffer.from(await request.arrayBuffer()),
    headers: { ...headers, 'content-type': request.headers.get('content-type')! },
  };
}

function formOf(body: unknown): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(Object(body))) {
    if (name === 'file') form.append(name, new File([asText(value)], 'a.txt'));
    else if (name === 'tags' && Array.isArray(value) && value.length > 0)
      for (const tag of value) form.append(name, asText(tag));
    else form.append(name, asText(value));
  }
  return form;
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** What a request may end or delete is made for it. */
async function realId({ method, path }: Operation): Promise<string> {
  const as = world.callers.owner;
  if (path.startsWith('/auth/api-keys')) {
    return (await api.inject({ method: 'POST', url: '/auth/api-keys', as, payload: { name: 'x' } })).json().key_id;
  }
  if (path.startsWith('/groups/')) {
    return (await api.inject({ method: 'POST', url: '/groups', as, payload: { name: 'x' } })).json().group_id;
  }
  if (method === 'GET') return path.startsWith('/jobs') ? world.endedJobId : world.documentId;
  const { job_id, document_id } = (
    await api.inject({ method: 'POST', url: '/ingest/text', as, payload: { text: 'x' } })
  ).json();
  return path.startsWith('/jobs') ? job_id : document_id;
}

/** All failures at once: they are found by chance, and another run may find others. */
async function fuzzAll(isFitting: boolean): Promise<void> {
  const failures: string[] = [];
  for (const operation of api.contract.operations) {
    await fuzz(operation, api.contract.document, isFitting).catch((error: Error) => {
      failures.push(`${nameOf(operation)}: ${error.message}\n${(error.cause as Error | undefined)?.message ?? ''}`);
    });
  }
  expect(failures.join('\n\n')).toBe('');
}

async function fuzz(operation: Operation, root: Json, isFitting: boolean): Promise<void> {
  const name = nameOf(operation);
  const property = fc.asyncProperty(drafts(operation, root, isFitting), async (draft) => {
    // That the answer is declared and fits its schema is asserted by `inject` itself.
    const response = await send(operation, draft);
    const { statusCode: status } = response;
    if (!(status === 503 && MAY_BE_UNAVAILABLE.has(name))) expect(status, response.body).toBeLessThan(500);
    if (isFitting && MAY_BE_REFUSED[name] === undefined) expect(status, response.body).not.toBe(400);
    if (!isFitting && draft.raw === null && draft.body !== undefined)
      expectRefusalOfWhatDoesNotFit(operation, draft, status);
  });
  await fc.assert(property, { numRuns: RUNS, seed: SEED, interruptAfterTimeLimit: 600_000 });
}

function expectRefusalOfWhatDoesNotFit(operation: Operation, draft: Draft, status: number): void {
  if (operation.definition.requestBody.content['application/json'] === undefined) return;
  const path = [
    'paths',
    operation.path,
    operation.method.toLowerCase(),
    'requestBody',
    'content',
    'application/json',
    'schema',
  ];
  const check = api.contract.schemaAt(...path);
  if (!check(JSON.parse(JSON.stringify(draft.body)))) expect(status).toBeGreaterThanOrEqual(400);
}

test('every request that fits its schema is understood, and answered as declared', { timeout: 3_600_000 }, async () => {
  await fuzzAll(true);
});

test('no request at all makes the server fail', { timeout: 3_600_000 }, async () => {
  await fuzzAll(false);
});
