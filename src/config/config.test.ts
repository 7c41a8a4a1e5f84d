import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AppError } from '../errors/app-error.ts';
import { effectiveSettings, loadConfig } from './config.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'anyrag-config-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function load(env: Record<string, string> = {}) {
  return loadConfig(env, folder);
}

function problemsOf(env: Record<string, string> = {}): string[] {
  try {
    load(env);
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    expect((error as AppError).code).toBe('config_invalid');
    return (error as AppError).errors!.map(({ path, message }) => `${path}: ${message}`);
  }
  return [];
}

describe('layers', () => {
  test('with nothing set the defaults are in effect, frozen', () => {
    const config = load();
    expect(config).toMatchObject({
      host: '127.0.0.1',
      port: 9090,
      databaseUrl: null,
      trustProxy: [],
      rateLimits: true,
    });
    expect(config.dataDir).toBe(join(folder, 'data'));
    expect(Object.isFrozen(config)).toBe(true);
  });

  test('anyrag.yml goes before the defaults, the environment before anyrag.yml', () => {
    file('anyrag.yml', 'port: 8000\nworkers: 3\n');
    expect(load({ PORT: '7000' })).toMatchObject({ port: 7000, workers: 3 });
  });

  test('ANYRAG_CONFIG names another file, which must be there', () => {
    file('anyrag.yml', 'port: 8000');
    const other = file('other.yml', 'port: 8001');
    expect(load({ ANYRAG_CONFIG: other }).port).toBe(8001);
    expect(load({ ANYRAG_CONFIG: 'other.yml' }).port).toBe(8001);
    expect(load({ ANYRAG_CONFIG: '' }).port).toBe(8000);
    expect(problemsOf({ ANYRAG_CONFIG: 'missing.yml' })).toEqual([
      `${join(folder, 'missing.yml')}: the file cannot be read`,
    ]);
  });

  test('each setting says where it came from', () => {
    const path = file('anyrag.yml', 'port: 8000');
    const key = file('key', 'sk-1\n');
    const origins = Object.fromEntries(
      effectiveSettings({ WORKERS: '2', CHAT_API_KEY_FILE: key }, folder).map(({ name, origin }) => [name, origin]),
    );
    expect(origins).toMatchObject({
      HOST: 'default',
      PORT: path,
      WORKERS: 'WORKERS',
      CHAT_API_KEY: 'CHAT_API_KEY_FILE',
    });
  });

  test('what is given without a value is not set', () => {
    file('anyrag.yml', 'port:\nhost: 127.0.0.2\n');
    expect(load({ HOST: '  ', EMBEDDING_URL: '', CHAT_API_KEY_FILE: '' })).toMatchObject({
      port: 9090,
      host: '127.0.0.2',
      embeddingUrl: null,
      chatApiKey: null,
    });
  });

  test.each(['', '\n# nothing yet\n', '{}'])('a file with no settings is no error: %j', (content) => {
    file('anyrag.yml', content);
    expect(load().port).toBe(9090);
  });
});

describe('values', () => {
  test.each([
    ['true', true],
    ['1', true],
    ['On', true],
    ['no', false],
    ['off', false],
  ])('%s is a truth value', (text, value) => {
    expect(load({ RATE_LIMITS: text }).rateLimits).toBe(value);
  });

  test('a list is separated by commas, or a list in anyrag.yml', () => {
    file('anyrag.yml', 'trust_proxy: [10.0.0.0/8, "::1"]\n');
    expect(load({ OUTBOUND_ALLOW: ' a.example , b.example:8080,' })).toMatchObject({
      trustProxy: ['10.0.0.0/8', '::1'],
      outboundAllow: ['a.example', 'b.example:8080'],
    });
  });

  test('a secret comes from a file without its line end', () => {
    expect(load({ SECRET_KEY_FILE: file('secret', '  0123456789abcdef0123456789abcdef\n') }).secretKey).toBe(
      '0123456789abcdef0123456789abcdef',
    );
  });

  test.each(['', 'abc', '1.5', '-1', '65536', '0x10', '1e3', 'true'])('PORT=%j is refused', (text) => {
    if (text !== '') expect(problemsOf({ PORT: text })).toEqual([expect.stringContaining('(integer 0–65535)')]);
    file('anyrag.yml', text === '' ? 'port: [1]' : `port: ${text === '0x10' || text === '1e3' ? `"${text}"` : text}`);
    expect(problemsOf()).toHaveLength(1);
  });
});

describe('problems', () => {
  test('are reported all at once', () => {
    const path = file('anyrag.yml', 'workerz: 2\nPORT: 1\nlog_level: loud\n');
    const problems = problemsOf({
      WORKERS: '1000',
      EMBEDDING_MODELL: 'x',
      ALLOW_GUEST_WRITE: 'true',
      SECRET_KEY_FILE: join(folder, 'missing'),
    });
    expect(problems.map((problem) => problem.replace(/ \(.*/, ''))).toEqual([
      `${path}: workerz: unknown setting`,
      `${path}: PORT: unknown setting`,
      'EMBEDDING_MODELL: unknown setting',
      'ALLOW_GUEST_WRITE: unknown setting',
      'SECRET_KEY_FILE: the file cannot be read',
      expect.stringMatching(/^WORKERS: /),
      expect.stringMatching(/^LOG_LEVEL: /),
    ]);
  });

  test('a variable without a guarded prefix is somebody else’s', () => {
    expect(problemsOf({ PATH: '/bin', WORKERZ: '2', ANYRAG_URL: 'http://x', ANYRAG_API_KEY: 'k' })).toEqual([]);
  });

  test('a setting that is given by itself and by a file is refused', () => {
    const key = file('key', 'one');
    expect(problemsOf({ CHAT_API_KEY: 'two', CHAT_API_KEY_FILE: key })).toEqual([
      'CHAT_API_KEY: is given twice, also as CHAT_API_KEY_FILE',
    ]);
  });

  test.each([
    ['that is no YAML', 'a: [', 'not valid YAML'],
    ['that holds a list', '- port', 'must hold settings'],
    ['that holds a text', 'port', 'must hold settings'],
  ])('a file %s is refused', (_name, content, message) => {
    file('anyrag.yml', content);
    expect(problemsOf()).toEqual([expect.stringContaining(message)]);
  });

  test('no message repeats a value, which may be a secret', () => {
    const text = JSON.stringify(problemsOf({ PORT: 'hunter2', EMBEDDING_PROVIDER: 'hunter2', RATE_LIMITS: 'hunter2' }));
    expect(text).not.toContain('hunter2');
  });
});
