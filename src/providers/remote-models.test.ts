import { afterEach, describe, expect, test } from 'vitest';
import { startFakeAnthropic } from '../../test/fakes/anthropic-server.ts';
import { startFakeGoogle } from '../../test/fakes/google-server.ts';
import type { Fault, ModelServer } from '../../test/fakes/model-server.ts';
import { startFakeOpenAi } from '../../test/fakes/openai-server.ts';
import { AppError } from '../errors/app-error.ts';
import {
  type ChatModel,
  type ChatSettings,
  createChatModel,
  createEmbeddingModel,
  type EmbeddingModel,
} from './index.ts';
import { inAskedOrder, withCompletionTokens } from './openai-compatible.ts';

const KEY = 'sk-very-secret';
const PROMPT = 'What is the prompt that no log may show?';
const ANSWER = 'The bridge was closed in 1987.';
const request = { system: 'You answer.', prompt: PROMPT, maxOutputTokens: 50 };

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function closing<T extends { close(): Promise<void> }>(thing: T): T {
  cleanups.push(() => thing.close());
  return thing;
}

interface ModelOptions {
  timeoutMs?: number;
  maxAttempts?: number;
  dimensions?: number | null;
}

function embeddingOf(provider: 'openai' | 'google', url: string, options: ModelOptions = {}): EmbeddingModel {
  const { timeoutMs = 10_000, maxAttempts = 1, dimensions = null } = options;
  const settings = { provider, url, model: 'fake-embed', apiKey: KEY, dimensions, timeoutMs };
  const rest = { weight: null, maxChars: null, threads: null };
  return closing(createEmbeddingModel({ ...settings, ...rest }, { maxAttempts })!);
}

function chatOf(provider: ChatSettings['provider'], url: string, options: ModelOptions = {}): ChatModel {
  const { timeoutMs = 10_000, maxAttempts = 1 } = options;
  const settings = { provider, url, model: 'fake-chat', apiKey: KEY, timeoutMs, maxPromptChars: 10_000 };
  return closing(createChatModel(settings, { maxAttempts })!);
}

async function errorOf(work: Promise<unknown>): Promise<AppError> {
  const error = await work.then(
    () => new Error('it succeeded'),
    (reason: unknown) => reason,
  );
  if (error instanceof AppError) return error;
  throw error;
}

async function collect(pieces: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const piece of pieces) all.push(piece);
  return all;
}

function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, component, i) => sum + component * b[i]!, 0);
}

/** Everything that a log of the error would show. */
function everythingIn(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error);
  return `${error.message} ${error.stack} ${JSON.stringify(error)} ${error.cause === undefined ? '' : everythingIn(error.cause)}`;
}

const embeddingProviders = [
  { provider: 'openai' as const, start: () => startFakeOpenAi() },
  { provider: 'google' as const, start: () => startFakeGoogle({ answer: ANSWER }) },
];

const chatProviders = [
  { provider: 'openai' as const, start: () => startFakeOpenAi({ answer: () => ANSWER }) },
  { provider: 'google' as const, start: () => startFakeGoogle({ answer: ANSWER }) },
  { provider: 'anthropic' as const, start: () => startFakeAnthropic({ answer: ANSWER }) },
];

describe.each(embeddingProviders)('embeddings of $provider', ({ provider, start }) => {
  async function begin(options: ModelOptions = {}) {
    const server = closing(await start());
    return { server, model: embeddingOf(provider, server.url, options) };
  }

  test('are normalised and in the order of the texts', async () => {
    const { model } = await begin();
    const [bridge, road, again] = await model.embed(['the bridge', 'some road', 'the bridge'], { purpose: 'document' });
    expect(bridge).toHaveLength(64);
    expect(cosine(bridge!, bridge!)).toBeCloseTo(1, 6);
    expect(bridge).toEqual(again);
    expect(cosine(bridge!, road!)).toBeLessThan(0.9);
  });

  test('of no texts ask nothing', async () => {
    const { server, model } = await begin();
    expect(await model.embed([], { purpose: 'query' })).toEqual([]);
    expect(server.requests).toHaveLength(0);
  });

  test('of one text, as a query is, work too', async () => {
    const { model } = await begin();
    expect(await model.embed(['the bridge'], { purpose: 'query' })).toHaveLength(1);
  });

  test('of many texts are asked for in batches', async () => {
    const { server, model } = await begin();
    const texts = Array.from({ length: 70 }, (_, i) => `text ${i}`);
    const vectors = await model.embed(texts, { purpose: 'document' });
    expect(vectors).toHaveLength(70);
    expect(server.requests).toHaveLength(3);
    expect(vectors[69]).toEqual((await model.embed(['text 69'], { purpose: 'document' }))[0]);
  });

  test('have the dimensions of the first answer where none are configured', async () => {
    const { model } = await begin();
    expect(model.dimensions).toBe(0);
    await model.embed(['a'], { purpose: 'query' });
    expect(model.dimensions).toBe(64);
    expect(model.id).toBe(`${provider}/fake-embed`);
  });

  test('are asked for in the configured dimensions', async () => {
    const { model } = await begin({ dimensions: 16 });
    expect(model.dimensions).toBe(16);
    expect(model.id).toBe(`${provider}/fake-embed@16`);
    const [vector] = await model.embed(['a', 'b'], { purpose: 'document' });
    expect(vector).toHaveLength(16);
  });

  test('of the wrong count are an invalid answer', async () => {
    const { server, model } = await begin();
    server.failNext({ kind: 'wrong_count' });
    const error = await errorOf(model.embed(['a', 'b'], { purpose: 'document' }));
    expect(error.code).toBe('provider_invalid_answer');
  });
});

describe('embeddings of an OpenAI-compatible server', () => {
  test('that answers out of order still belong to their texts', async () => {
    const server = closing(await startFakeOpenAi());
    const model = embeddingOf('openai', server.url);
    const texts = ['alpha', 'beta', 'gamma'];
    const ordered = await model.embed(texts, { purpose: 'document' });
    server.failNext({ kind: 'out_of_order' });
    expect(await model.embed(texts, { purpose: 'document' })).toEqual(ordered);
  });

  test.each<Fault['kind']>(['wrong_dimensions', 'not_finite', 'nan', 'repeated_index', 'garbage'])(
    'with %s are an invalid answer',
    async (kind) => {
      const server = closing(await startFakeOpenAi());
      server.failNext({ kind } as Fault);
      const error = await errorOf(embeddingOf('openai', server.url).embed(['a', 'b'], { purpose: 'document' }));
      expect(error.code).toBe('provider_invalid_answer');
    },
  );

  test('that change their dimensions are an invalid answer', async () => {
    const server = closing(await startFakeOpenAi());
    const model = embeddingOf('openai', server.url);
    await model.embed(['a'], { purpose: 'query' });
    server.failNext({ kind: 'wrong_dimensions' });
    const error = await errorOf(model.embed(['a'], { purpose: 'query' }));
    expect(error.code).toBe('provider_invalid_answer');
  });

  test('without indexes are taken in the order they come', () => {
    const body = { data: [{ embedding: [1] }, { embedding: [2] }] };
    expect(inAskedOrder(body)).toBe(body);
  });

  test('tell a query from a document where the model does', async () => {
    const server = closing(await startFakeGoogle({ answer: ANSWER }));
    const model = embeddingOf('google', server.url);
    await model.embed(['a'], { purpose: 'query' });
    await model.embed(['a'], { purpose: 'document' });
    expect(server.requests.map((sent) => sent.body.taskType)).toEqual(['RETRIEVAL_QUERY', 'RETRIEVAL_DOCUMENT']);
  });
});

describe.each(chatProviders)('chat with $provider', ({ provider, start }) => {
  async function begin(options: ModelOptions = {}) {
    const server = closing(await start());
    return { server, model: chatOf(provider, server.url, options) };
  }

  test('gives the answer and what it used', async () => {
    const { model } = await begin();
    expect(await model.generate(request)).toEqual({ text: ANSWER, usage: { inputTokens: 11, outputTokens: 7 } });
    expect(model.id).toBe(`${provider}/fake-chat`);
  });

  test('streams the answer in pieces', async () => {
    const { model } = await begin();
    const pieces = await collect(model.stream(request));
    expect(pieces.length).toBeGreaterThan(1);
    expect(pieces.join('')).toBe(ANSWER);
  });

  test.each<Fault['kind']>(['truncated_stream', 'reset_stream', 'error_in_stream'])(
    'never ends normally after a %s',
    async (kind) => {
      const { server, model } = await begin({ maxAttempts: 2 });
      server.failNext({ kind } as Fault);
      const shown: string[] = [];
      const reading = (async () => {
        for await (const piece of model.stream(request)) shown.push(piece);
      })();
      expect((await errorOf(reading)).code).toBe('provider_unavailable');
      expect(ANSWER.startsWith(shown.join(''))).toBe(true);
    },
  );

  test('gives up a stream that stalls', async () => {
    const { server, model } = await begin({ timeoutMs: 200 });
    server.failNext({ kind: 'stalled_stream' });
    expect((await errorOf(collect(model.stream(request)))).code).toBe('provider_unavailable');
  });

  test('closes the connection of a stream that its reader leaves', async () => {
    const { server, model } = await begin();
    server.failNext({ kind: 'stalled_stream' });
    for await (const piece of model.stream(request)) {
      expect(piece).toBe('The ');
      break;
    }
    await server.requests[0]!.abandoned;
  });

  test('is tried again up to the first piece of a stream', async () => {
    const { server, model } = await begin({ maxAttempts: 2 });
    server.failNext({ kind: 'status', status: 503, retryAfter: '0' });
    expect((await collect(model.stream(request))).join('')).toBe(ANSWER);
    expect(server.requests).toHaveLength(2);
  });
});

/** The failures of the transport, which every adapter must map alike. */
interface Caller {
  name: string;
  start: () => Promise<ModelServer & { url: string }>;
  call: (url: string, options: ModelOptions, signal?: AbortSignal) => Promise<unknown>;
}

function signalled(signal: AbortSignal | undefined) {
  return signal === undefined ? {} : { signal };
}

const callers: Caller[] = [
  ...embeddingProviders.map(({ provider, start }) => ({
    name: `embed with ${provider}`,
    start,
    call: (url: string, options: ModelOptions, signal?: AbortSignal) =>
      embeddingOf(provider, url, options).embed([PROMPT], { purpose: 'query', ...signalled(signal) }),
  })),
  ...chatProviders.flatMap(({ provider, start }) => [
    {
      name: `generate with ${provider}`,
      start,
      call: (url: string, options: ModelOptions, signal?: AbortSignal) =>
        chatOf(provider, url, options).generate({ ...request, ...signalled(signal) }),
    },
    {
      name: `stream with ${provider}`,
      start,
      call: (url: string, options: ModelOptions, signal?: AbortSignal) =>
        collect(chatOf(provider, url, options).stream({ ...request, ...signalled(signal) })),
    },
  ]),
];

describe.each(callers)('$name', ({ start, call }) => {
  test.each([
    [400, 'provider_rejected'],
    [401, 'provider_rejected'],
    [403, 'provider_rejected'],
    [404, 'provider_rejected'],
    [422, 'provider_rejected'],
    [307, 'provider_rejected'],
    [429, 'provider_rate_limited'],
    [408, 'provider_unavailable'],
    [500, 'provider_unavailable'],
    [503, 'provider_unavailable'],
  ])('a status %i is %s, named without key or prompt', async (status, code) => {
    const server = closing(await start());
    server.failNext({ kind: 'status', status });
    const error = await errorOf(call(server.url, {}));
    expect(error.code).toBe(code);
    expect(error.detail).toContain(`status ${status}`);
    expect(everythingIn(error)).not.toContain(KEY);
    expect(everythingIn(error)).not.toContain(PROMPT);
    expect(server.requests).toHaveLength(1);
  });

  test('a rate limit says when to come back', async () => {
    const server = closing(await start());
    server.failNext({ kind: 'status', status: 429, retryAfter: '17' });
    expect(await errorOf(call(server.url, {}))).toMatchObject({ code: 'provider_rate_limited', retryAfterSeconds: 17 });
  });

  test('a rate limit that passes in time is waited for', async () => {
    const server = closing(await start());
    server.failNext({ kind: 'status', status: 429, retryAfter: '0' });
    await call(server.url, { maxAttempts: 2 });
    expect(server.requests).toHaveLength(2);
  });

  test('a connection that breaks is unavailable', async () => {
    const server = closing(await start());
    server.failNext({ kind: 'reset' });
    expect((await errorOf(call(server.url, {}))).code).toBe('provider_unavailable');
  });

  test('a server that is not there is unavailable', async () => {
    const server = await start();
    await server.close();
    expect((await errorOf(call(server.url, {}))).code).toBe('provider_unavailable');
  });

  test('a silent server is unavailable after the timeout', async () => {
    const server = closing(await start());
    server.failNext({ kind: 'silent' });
    const error = await errorOf(call(server.url, { timeoutMs: 100, maxAttempts: 2 }));
    expect(error.code).toBe('provider_unavailable');
    expect(everythingIn(error)).not.toContain(PROMPT);
  });

  test('a caller that gives up gets its own reason, and the server sees the connection close', async () => {
    const server = closing(await start());
    server.failNext({ kind: 'silent' });
    const caller = new AbortController();
    const work = call(server.url, { maxAttempts: 2 }, caller.signal);
    const outcome = expect(work).rejects.toThrow('enough');
    await expect.poll(() => server.requests.length, { timeout: 20_000 }).toBe(1);
    caller.abort(new Error('enough'));
    await outcome;
    await server.requests[0]!.abandoned;
    expect(server.requests).toHaveLength(1);
  });

  test('the key travels in a header and nowhere else', async () => {
    const server = closing(await start());
    await call(server.url, {});
    const [sent] = server.requests;
    expect(JSON.stringify(sent!.headers)).toContain(KEY);
    expect(sent!.path).not.toContain(KEY);
    expect(JSON.stringify(sent!.body)).not.toContain(KEY);
  });
});

describe('an answer of the chat model', () => {
  test('cut by the limit of tokens is still an answer', async () => {
    const server = closing(await startFakeOpenAi({ answer: () => ANSWER, finishReason: 'length' }));
    const model = chatOf('openai', server.url);
    expect((await model.generate(request)).text).toBe(ANSWER);
    expect((await collect(model.stream(request))).join('')).toBe(ANSWER);
  });

  test.each([
    ['stopped by the content filter', ANSWER, 'content_filter', 'provider_rejected'],
    ['without text', '', 'stop', 'provider_invalid_answer'],
  ])('%s is none', async (_what, answer, finishReason, code) => {
    const server = closing(await startFakeOpenAi({ answer: () => answer, finishReason }));
    const model = chatOf('openai', server.url);
    expect((await errorOf(model.generate(request))).code).toBe(code);
    expect((await errorOf(collect(model.stream(request)))).code).toBe(code);
  });

  test('follows the instructions, the prompt and the limit that were asked', async () => {
    const server = closing(await startFakeOpenAi());
    expect((await chatOf('openai', server.url).generate(request)).text).toBe(PROMPT);
    expect(server.requests[0]!.body).toMatchObject({
      model: 'fake-chat',
      max_tokens: 50,
      messages: [
        { role: 'system', content: 'You answer.' },
        { role: 'user', content: PROMPT },
      ],
    });
  });
});

test('OpenAI itself is asked with the name of the token limit that its reasoning models accept', () => {
  expect(withCompletionTokens({ model: 'm', max_tokens: 5 })).toEqual({ model: 'm', max_completion_tokens: 5 });
  expect(withCompletionTokens({ model: 'm' })).toEqual({ model: 'm' });
});

test('a closed model is unavailable, and may be closed twice', async () => {
  const server = closing(await startFakeOpenAi());
  const model = chatOf('openai', server.url);
  await model.generate(request);
  await model.close();
  await model.close();
  expect((await errorOf(model.generate(request))).code).toBe('provider_unavailable');
});
