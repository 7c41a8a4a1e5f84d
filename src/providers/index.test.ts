import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type ChatSettings, createChatModel, createEmbeddingModel, type EmbeddingSettings } from './index.ts';

const embedding: EmbeddingSettings = {
  provider: 'openai',
  url: 'http://127.0.0.1:1/v1',
  model: 'm',
  apiKey: 'k',
  dimensions: null,
  weight: null,
  maxChars: null,
  timeoutMs: 1000,
  threads: null,
};

const chat: ChatSettings = {
  provider: 'openai',
  url: 'http://127.0.0.1:1/v1',
  model: 'm',
  apiKey: 'k',
  timeoutMs: 1000,
  maxPromptChars: 5000,
};

test('no provider is no model', () => {
  expect(createEmbeddingModel({ ...embedding, provider: 'none' })).toBeNull();
  expect(createChatModel({ ...chat, provider: 'none' })).toBeNull();
});

test('the packaged encoder needs no other setting', () => {
  const model = createEmbeddingModel({ ...embedding, provider: 'packaged', url: null, model: null, apiKey: null });
  expect(model).toMatchObject({ dimensions: 512, hybridWeight: 0.2, languages: ['en'], maxChars: 450 });
});

test('weight and longest text of a model can be set', () => {
  const model = createEmbeddingModel({ ...embedding, weight: 0.8, maxChars: 4000 });
  expect(model).toMatchObject({ hybridWeight: 0.8, maxChars: 4000, languages: null });
});

test('an OpenAI-compatible server may need no key', () => {
  expect(createEmbeddingModel({ ...embedding, apiKey: null })?.id).toBe('openai/m');
  expect(createChatModel({ ...chat, apiKey: null })?.id).toBe('openai/m');
});

test.each(['google', 'anthropic'] as const)('%s has a URL of its own', (provider) => {
  expect(createChatModel({ ...chat, provider, url: null })?.id).toBe(`${provider}/m`);
});

describe('a misconfiguration says which setting to set', () => {
  test.each<[Partial<EmbeddingSettings>, string]>([
    [{ url: null }, 'EMBEDDING_URL'],
    [{ model: null }, 'EMBEDDING_MODEL'],
    [{ model: '' }, 'EMBEDDING_MODEL'],
    [{ url: 'localhost:11434' }, 'EMBEDDING_URL'],
    [{ url: 'http://me:secret@127.0.0.1/v1' }, 'EMBEDDING_API_KEY'],
    [{ provider: 'google', model: null }, 'EMBEDDING_MODEL'],
    [{ provider: 'google', apiKey: null }, 'EMBEDDING_API_KEY'],
  ])('embedding %j: %s', (change, setting) => {
    expect(() => createEmbeddingModel({ ...embedding, ...change })).toThrow(
      expect.objectContaining({ code: 'config_invalid', detail: expect.stringContaining(setting) }),
    );
  });

  test.each<[Partial<ChatSettings>, string]>([
    [{ url: null }, 'CHAT_URL'],
    [{ model: null }, 'CHAT_MODEL'],
    [{ provider: 'google', apiKey: null }, 'CHAT_API_KEY'],
    [{ provider: 'anthropic', apiKey: '' }, 'CHAT_API_KEY'],
  ])('chat %j: %s', (change, setting) => {
    expect(() => createChatModel({ ...chat, ...change })).toThrow(
      expect.objectContaining({ code: 'config_invalid', detail: expect.stringContaining(setting) }),
    );
  });
});

test('making models loads neither an SDK nor the packaged encoder', async () => {
  const program = `
    import { createChatModel, createEmbeddingModel } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
    createEmbeddingModel({ ...${JSON.stringify(embedding)}, provider: 'packaged' });
    createEmbeddingModel(${JSON.stringify(embedding)});
    createChatModel(${JSON.stringify(chat)});
  `;
  const hooks = `
    import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) {
      if (/node_modules.(@ai-sdk|ai|undici|@energetic-ai)/.test(url)) console.log('loaded ' + url);
      return next(url, context);
    } });
  `;
  const asImport = (source: string) => `data:text/javascript,${encodeURIComponent(source)}`;
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [
    '--import',
    asImport(hooks),
    '--input-type=module',
    '--eval',
    program,
  ]);
  expect(stdout).not.toContain('loaded');
});
