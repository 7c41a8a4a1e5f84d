import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import { request as send } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { linesOf } from '../attacks/lines.ts';
import { createTestApp, type TestApp, type TestUser } from '../harness/app.ts';
import { eventually } from '../harness/eventually.ts';

const MAX_UPLOAD_BYTES = 1_048_576;
const BOUNDARY = 'the-boundary';

let api: TestApp;
let url: string;
let ada: TestUser;

beforeAll(async () => {
  api = await createTestApp({ maxUploadBytes: MAX_UPLOAD_BYTES });
  url = await api.listen();
  ada = await api.registerUser();
});
afterAll(() => api.close());

interface Part {
  name?: string;
  fileName?: string;
  type?: string;
  content: string | Buffer;
}

/** A multipart body, byte by byte as it is given. */
function multipart(parts: Part[], { end = `--${BOUNDARY}--\r\n` } = {}): Buffer {
  const chunks = parts.flatMap(({ name = 'file', fileName, type, content }) => [
    Buffer.from(
      `--${BOUNDARY}\r\ncontent-disposition: form-data; name="${name}"${fileName === undefined ? '' : `; filename="${escaped(fileName)}"`}\r\n${type === undefined ? '' : `content-type: ${type}\r\n`}\r\n`,
    ),
    Buffer.from(content),
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...chunks, Buffer.from(end)]);
}

/** As browsers do it (WHATWG HTML, multipart/form-data encoding algorithm), but for backslashes, which they send as they are. */
function escaped(fileName: string): string {
  return fileName.replaceAll('\\', '\\\\').replaceAll('"', '%22');
}

const FILE: Part = { fileName: 'a.txt', type: 'text/plain', content: 'Herons fish at dawn.' };

async function upload(body: Buffer | Readable, headers: Record<string, string> = {}) {
  const response = await send(`${url}/ingest/file`, {
    method: 'POST',
    headers: {
      authorization: ada.authorization,
      'content-type': `multipart/form-data; boundary=${BOUNDARY}`,
      ...headers,
    },
    body,
  });
  const text = await response.body.text();
  const complaints = api.contract.complaintsAbout({
    method: 'POST',
    url: '/ingest/file',
    status: response.statusCode,
    headers: response.headers,
    text,
  });
  expect(complaints).toEqual([]);
  return { status: response.statusCode, json: JSON.parse(text) };
}

async function documentOf(accepted: { job_id: string; document_id: string }) {
  await api.runJob(accepted.job_id);
  return (await api.inject({ url: `/documents/${accepted.document_id}`, as: ada })).json();
}

async function jobOf(accepted: { job_id: string }) {
  await api.runJob(accepted.job_id);
  return (await api.inject({ url: `/jobs/${accepted.job_id}`, as: ada })).json();
}

/** The refusal leaves neither a file nor a document behind. */
async function expectNothingLeft(act: () => Promise<unknown>): Promise<void> {
  const files = await api.storedFiles();
  const documents = await countDocuments();
  await act();
  await eventually(async () => expect(await api.storedFiles()).toEqual(files));
  expect(await countDocuments()).toEqual(documents);
}

async function countDocuments(): Promise<unknown> {
  return (await api.db.query({ text: 'SELECT count(*) AS n FROM documents', values: [] }))[0];
}

describe('an upload', () => {
  test('keeps its bytes, and gives them back as an attachment that no browser runs', async () => {
    const bytes = Buffer.concat([Buffer.from('<script>alert(1)</script>\n'), randomBytes(100_000)]);
    const { json } = await upload(multipart([{ fileName: 'page.html', type: 'text/html', content: bytes }]));
    const response = await send(`${url}/documents/${json.document_id}/content`, {
      headers: { authorization: ada.authorization },
    });
    expect(Buffer.from(await response.body.arrayBuffer()).equals(bytes)).toBe(true);
    expect(response.headers).toMatchObject({
      'content-length': String(bytes.length),
      'content-disposition': `attachment; filename="page.html"; filename*=UTF-8''page.html`,
      'content-security-policy': "default-src 'none'; sandbox",
      'x-content-type-options': 'nosniff',
    });
  });

  test('may have its fields before, after and around the file', async () => {
    const title = { name: 'title', content: 'Herons' };
    const metadata = { name: 'metadata', content: '{"shelf":3,"new":true}' };
    for (const parts of [
      [title, metadata, FILE],
      [FILE, title, metadata],
      [title, FILE, metadata],
    ]) {
      const { status, json } = await upload(multipart(parts));
      expect(status).toBe(202);
      expect(await documentOf(json)).toMatchObject({ title: 'Herons', metadata: { shelf: 3, new: true } });
    }
  });

  test.each([
    ['repeated', ['birds', 'water']],
    ['one JSON array', ['["birds","water"]']],
    ['both', ['birds', '["water"]']],
  ])('takes tags that are %s', async (_how, values) => {
    const { json } = await upload(multipart([...values.map((content) => ({ name: 'tags', content })), FILE]));
    expect((await documentOf(json)).tags).toEqual(['birds', 'water']);
  });

  test('takes metadata that calls itself JSON', async () => {
    const part = { name: 'metadata', type: 'application/json', content: '{"shelf":3}' };
    const { status, json } = await upload(multipart([part, FILE]));
    expect(status).toBe(202);
    expect((await documentOf(json)).metadata).toEqual({ shelf: 3 });
  });

  test('is recognised by its content, not by its name', async () => {
    const { json } = await upload(
      multipart([{ fileName: 'report.pdf', type: 'application/pdf', content: 'Plain words, no PDF at all.' }]),
    );
    const shown = await documentOf(json);
    expect(shown).toMatchObject({ media_type: 'text/plain', status: 'ready' });
  });

  test('under the Idempotency-Key of an equal one is not stored twice', async () => {
    const headers = { 'idempotency-key': 'upload-1' };
    const first = await upload(multipart([FILE]), headers);
    await expectNothingLeft(async () => {
      expect((await upload(multipart([FILE]), headers)).json).toEqual(first.json);
      const other = await upload(multipart([{ ...FILE, content: 'Other words.' }]), headers);
      expect([other.status, other.json.code]).toEqual([409, 'idempotency_conflict']);
    });
  });

  test('of white space only fails as a job with a code that says so', async () => {
    const { status, json } = await upload(multipart([{ ...FILE, content: ' \n\t \n' }]));
    expect(status).toBe(202);
    expect(await jobOf(json)).toMatchObject({ status: 'failed', error: { code: 'empty_file', retryable: false } });
  });
});

/** An upload of the data file; a part `file` is the good one, and `count` of a part stand behind one another. */
interface UploadLine {
  upload: string;
  parts?: ('file' | { name: string; fileName?: string; content: UploadContent; count?: number })[];
  /** Instead of the closing boundary. */
  end?: string;
  /** Where the body breaks off. */
  cut?: number;
  /** The body instead of parts. */
  raw?: string;
  type?: string;
  expect: [status: number, code: string | null];
}
type UploadContent = string | { before?: string; repeat: string; times: number; after?: string };

function bodyOf({ parts = [], end, cut, raw }: UploadLine): Buffer {
  if (raw !== undefined) return Buffer.from(raw);
  const whole = multipart(
    parts.flatMap((part) => {
      if (part === 'file') return [FILE];
      const { count = 1, content, ...rest } = part;
      return Array.from({ length: count }, () => ({ ...rest, content: contentOf(content) }));
    }),
    end === undefined ? {} : { end },
  );
  return whole.subarray(0, cut);
}

function contentOf(content: UploadContent): string {
  if (typeof content === 'string') return content;
  return `${content.before ?? ''}${content.repeat.repeat(content.times)}${content.after ?? ''}`;
}

const UPLOADS = linesOf<UploadLine>('uploads').map((line) => ({ line, name: line.upload, status: line.expect[0] }));

test.each(UPLOADS)('an upload with or as $name is a $status and leaves nothing if it is refused', async ({ line }) => {
  const headers: Record<string, string> = line.type === undefined ? {} : { 'content-type': line.type };
  const send = () => upload(bodyOf(line), headers);
  const [status, code] = line.expect;
  if (code === null) {
    expect((await send()).status).toBe(status);
    return;
  }
  await expectNothingLeft(async () => {
    const answer = await send();
    expect([answer.status, answer.json.code]).toEqual([status, code]);
    if (code === 'validation_failed') expect(answer.json.errors[0].path).toMatch(/^body\./);
  });
});

describe('an upload far beyond the limit', () => {
  const HUGE_BYTES = 200 * MAX_UPLOAD_BYTES;

  function hugeBody(counter: { bytes: number }): Readable {
    const chunk = Buffer.alloc(65_536, 'x');
    async function* pieces() {
      yield multipart([FILE], { end: '' }).subarray(0, -2);
      for (counter.bytes = 0; counter.bytes < HUGE_BYTES; counter.bytes += chunk.length) yield chunk;
      yield Buffer.from(`\r\n--${BOUNDARY}--\r\n`);
    }
    return Readable.from(pieces());
  }

  test('is answered with a problem that the client can read, and leaves nothing', async () => {
    await expectNothingLeft(async () => {
      const sent = { bytes: 0 };
      const answer = await upload(hugeBody(sent));
      expect([answer.status, answer.json.code]).toEqual([413, 'payload_too_large']);
    });
    expect((await upload(multipart([FILE]))).status).toBe(202);
  });

  test('is refused before it is sent when its length says so', async () => {
    const socket = await openSocket();
    socket.write(uploadHead(`content-length: ${HUGE_BYTES}`));
    socket.write(multipart([FILE], { end: '' }));
    socket.write(Buffer.alloc(2 * MAX_UPLOAD_BYTES, 'x'));
    const head = await firstLine(socket);
    expect(head).toBe('HTTP/1.1 413 Payload Too Large');
    socket.destroy();
  });
});

describe('a client that leaves in the middle of its upload', () => {
  test.each(['content-length: 500000', 'transfer-encoding: chunked'])(
    'leaves no file and no document (%s)',
    async (framing) => {
      await expectNothingLeft(async () => {
        const files = (await api.storedFiles()).length;
        const socket = await openSocket();
        const piece = Buffer.concat([multipart([FILE], { end: '' }), Buffer.alloc(100_000, 'x')]);
        socket.write(uploadHead(framing));
        if (framing.startsWith('transfer')) socket.write(`${piece.length.toString(16)}\r\n`);
        socket.write(piece);
        await eventually(async () => expect(await api.storedFiles()).toHaveLength(files + 1));
        socket.destroy();
      });
      expect((await upload(multipart([FILE]))).status).toBe(202);
    },
  );
});

function uploadHead(framing: string): string {
  return [
    'POST /ingest/file HTTP/1.1',
    `host: ${new URL(url).host}`,
    `authorization: ${ada.authorization}`,
    `content-type: multipart/form-data; boundary=${BOUNDARY}`,
    framing,
    '',
    '',
  ].join('\r\n');
}

async function openSocket(): Promise<Socket> {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function firstLine(socket: Socket): Promise<string> {
  const [chunk] = await once(socket, 'data');
  return String(chunk).split('\r\n', 1)[0]!;
}

describe('the name of an uploaded file', () => {
  const names = linesOf<{ sent: string; offered: string | null }>('file-names');

  test.each(names)('$sent is offered as $offered, and is a path nowhere', async ({ sent, offered }) => {
    const { status, json } = await upload(multipart([{ ...FILE, fileName: sent }]));
    // Without a name a part is no file to multipart, but a field.
    if (status === 400) {
      expect([sent.trim(), offered]).toEqual(['', null]);
      return;
    }
    expect(status).toBe(202);
    const response = await send(`${url}/documents/${json.document_id}/content`, {
      headers: { authorization: ada.authorization },
    });
    await response.body.dump();
    expect(response.statusCode).toBe(200);
    const disposition = String(response.headers['content-disposition']);
    expect(disposition).toMatch(/^attachment(; filename="[\x20-\x7e]*"; filename\*=UTF-8''[\w.~!$&+^`|%#-]*)?$/);
    expect(decodedName(disposition)).toBe(offered);
    for (const path of await api.storedFiles()) expect(path).toMatch(/\/[0-9a-f]{2}\/[0-9a-f-]{36}$/);
  });

  function decodedName(disposition: string): string | null {
    const encoded = /filename\*=UTF-8''(.*)$/.exec(disposition)?.[1];
    return encoded === undefined ? null : decodeURIComponent(encoded);
  }
});

describe('JSON', () => {
  function post(path: string, payload: unknown) {
    return api.inject({
      method: 'POST',
      url: path,
      as: ada,
      headers: { 'content-type': 'application/json' },
      payload: (typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload)) as string,
    });
  }

  test('that is no UTF-8 is a 400', async () => {
    for (const bytes of [[0xff, 0xfe], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xc3]]) {
      const body = Buffer.concat([Buffer.from('{"text":"a'), Buffer.from(bytes), Buffer.from('b"}')]);
      const response = await post('/ingest/text', body);
      expect([response.statusCode, response.json().code]).toEqual([400, 'malformed_request']);
    }
  });

  test('with half a surrogate pair is taken, and comes back as valid text', async () => {
    const accepted = await post(
      '/ingest/text',
      '{"text":"Half \\ud83d a pair","title":"Half \\ud83d","tags":["\\udc00"],"metadata":{"\\ud800":"\\udfff"}}',
    );
    expect(accepted.statusCode).toBe(202);
    const shown = await documentOf(accepted.json());
    expect(shown.status).toBe('ready');
    expect(JSON.stringify(shown).isWellFormed()).toBe(true);
    expect(shown.title).toBe('Half \ufffd');
  });

  test('with NUL in it is taken as content, not as a name', async () => {
    const accepted = await post('/ingest/text', {
      text: 'before\u0000after words',
      metadata: { 'x\u0000': 1 },
    });
    expect(accepted.statusCode).toBe(202);
    expect((await documentOf(accepted.json())).status).toBe('ready');
    expect((await post('/search/keyword', { query: 'a\u0000b "quoted" NEAR( *' })).statusCode).toBe(200);
    const named = await post('/ingest/text', { text: 'x', title: 'a\u0000b' });
    expect([named.statusCode, named.json().errors[0].path]).toEqual([400, 'body.title']);
  });

  test('text beyond 16 MiB is a 413, and beyond MAX_UPLOAD_BYTES too', async () => {
    const large = await createTestApp();
    const user = await large.registerUser();
    const send17 = await large.inject({
      method: 'POST',
      url: '/ingest/text',
      as: user,
      payload: { text: 'x'.repeat(17 * 1_048_576) },
    });
    expect([send17.statusCode, send17.json().code]).toEqual([413, 'payload_too_large']);
    await large.close();
    expect((await post('/ingest/text', { text: 'x'.repeat(MAX_UPLOAD_BYTES) })).statusCode).toBe(413);
    expect((await post('/search/keyword', { query: 'x'.repeat(1_100_000) })).statusCode).toBe(413);
  });

  test('text of white space is a 422', async () => {
    for (const text of [' ', '\n\t', '\u3000']) {
      const response = await post('/ingest/text', { text });
      expect([response.statusCode, response.json().code]).toEqual([422, 'empty_file']);
    }
    expect((await post('/ingest/text', { text: '' })).statusCode).toBe(400);
  });

  test('nested beyond reason does no harm', async () => {
    const deep = `{"text":"deep","metadata":{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}}`;
    expect((await post('/ingest/text', deep)).statusCode).toBeLessThan(500);
    const tooDeep = `{"text":"deep","metadata":{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}}`;
    expect((await post('/ingest/text', tooDeep)).statusCode).toBeLessThan(500);
  });

  test.each([
    ['unknown fields', (n: number) => `{"text":"x",${fields(n, '0')}}`],
    ['unknown fields with long names', () => `{"text":"x","${'y'.repeat(500_000)}":0}`],
    ['metadata with names that are too long', (n: number) => `{"text":"x","metadata":{${fields(n / 20, '0', 101)}}}`],
  ])('with any number of %s is answered briefly', async (_, bodyOf) => {
    const response = await post('/ingest/text', bodyOf(50_000));
    expect(response.json()).toMatchObject({ status: 400, code: 'validation_failed' });
    expect(response.json().errors.length).toBeGreaterThan(0);
    expect(response.body.length).toBeLessThan(50_000);
  });

  test('with any number of metadata filters is a 400, and with the most there may be a search', async () => {
    const search = (n: number) => post('/search/hybrid', `{"query":"x","filters":{"metadata":{${fields(n, '1')}}}}`);
    expect((await search(50)).statusCode).toBe(200);
    for (const n of [51, 2_000, 50_000]) expect((await search(n)).json()).toMatchObject({ code: 'validation_failed' });
  });

  function fields(n: number, value: string, nameChars = 1): string {
    return Array.from({ length: n }, (_, i) => `"${String(i).padStart(nameChars, 'k')}":${value}`).join(',');
  }

  test('fields that would give rights are refused', async () => {
    for (const extra of ['owner_id', 'user_id', 'role', 'document_id', 'status', 'permissions', 'version']) {
      const response = await post('/ingest/text', { text: 'x', [extra]: 'x' });
      expect([extra, response.statusCode]).toEqual([extra, 400]);
    }
  });
});

describe('a URL to fetch', () => {
  const refused = linesOf<{ url: string; expect: string }>('addresses').filter(({ expect: judgement, url: target }) => {
    // What is no URL at all does not fit the schema, which the next test is about.
    return judgement !== 'allowed' && URL.canParse(target);
  });

  test.each(refused)('$url is refused at once', async ({ url: target, expect: code }) => {
    await expectNothingLeft(async () => {
      const response = await api.inject({ method: 'POST', url: '/ingest/web', as: ada, payload: { url: target } });
      expect([response.statusCode, response.json().code]).toEqual([422, code]);
    });
  });

  test.each(['', 'example.org', 'http://', 'not a url', `http://example.org/${'x'.repeat(2_100)}`])(
    '%j is a 400',
    async (target) => {
      const response = await api.inject({ method: 'POST', url: '/ingest/web', as: ada, payload: { url: target } });
      expect(response.statusCode).toBe(400);
    },
  );

  test('is not asked while the request is being answered', async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked += 1;
      response.end('x');
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as { port: number };
    const response = await api.inject({
      method: 'POST',
      url: '/ingest/web',
      as: ada,
      payload: { url: `http://localhost:${port}/` },
    });
    expect(response.statusCode).toBe(422);
    expect(asked).toBe(0);
    server.close();
  });
});

test('a large request without a body to read is cut, not waited for', async () => {
  const socket = await openSocket();
  socket.write(`GET /livez HTTP/1.1\r\nhost: x\r\nx-padding: ${'x'.repeat(20_000)}\r\n\r\n`);
  expect(await readText(socket)).toMatch(/^HTTP\/1\.1 400 [\s\S]*The headers are larger than allowed/);
});

describe('a body that is never whole', () => {
  const head = (path: string, bytes: number) =>
    `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n`;

  test('costs its caller the connection', async () => {
    const hasty = await createTestApp({ change: () => ({ jsonBodyTimeoutMs: 1_000 }) });
    const { port, hostname } = new URL(await hasty.listen());
    const user = await hasty.registerUser();
    const { job_id } = (
      await hasty.inject({ method: 'POST', url: '/ingest/text', as: user, payload: { text: 'Herons fish.' } })
    ).json();
    const { body: events } = await send(`http://${hostname}:${port}/jobs/${job_id}/events`, {
      headers: { authorization: user.authorization },
    });
    const socket = connect(Number(port), hostname);
    socket.write(`${head('/auth/login', 1_000)}{"email":`);
    expect(await readText(socket)).toBe('');

    // Requests that are whole, and last, are left alone.
    await hasty.runJob(job_id);
    expect(await events.text()).toContain('event: end');
    await hasty.close();
  });

  test.each([
    ['/auth/login', 413],
    ['/auth/register', 413],
    ['/auth/refresh', 413],
    ['/no/such/route', 404],
    ['/ingest/text', 401],
  ])('is not waited for at %s, where anybody may send one', async (path, status) => {
    const socket = await openSocket();
    socket.write(head(path, 1_000_000));
    expect(await firstLine(socket)).toMatch(`HTTP/1.1 ${status} `);
    socket.destroy();
  });
});
