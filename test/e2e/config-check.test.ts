import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCommand } from '../harness/command.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anyrag-config-check-'));
});
afterEach(() => rm(folder, { recursive: true }));

const check = (env: Record<string, string>, ...options: string[]) =>
  runCommand(['config', 'check', ...options], { env, cwd: folder });

test('what is in effect is shown with its origin, without secrets, and nothing is made', async () => {
  await writeFile(join(folder, 'anyrag.yml'), 'workers: 3\n');
  const env = {
    SECRET_KEY: '0123456789abcdef0123456789abcdef',
    DATABASE_URL: 'libsql://user:hunter2@db.example?authToken=hunter2',
    CHAT_API_KEY: 'hunter2',
  };
  const { code, stdout, stderr } = await check(env, '--json');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).not.toMatch(/hunter2|0123456789abcdef/);
  const { valid, settings } = JSON.parse(stdout);
  expect(valid).toBe(true);
  expect(settings).toContainEqual({ name: 'WORKERS', value: 3, origin: join(folder, 'anyrag.yml') });
  expect(settings).toContainEqual({ name: 'SECRET_KEY', value: '[redacted]', origin: 'SECRET_KEY' });
  expect(settings).toContainEqual({ name: 'PORT', value: 9090, origin: 'default' });
  expect(existsSync(join(folder, 'data'))).toBe(false);

  const inText = await check(env);
  expect(inText).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining('The configuration is valid.') });
  expect(inText.stdout).not.toMatch(/hunter2|0123456789abcdef/);
});

test.each<[string, Record<string, string>, string]>([
  ['a setting out of bounds', { PORT: '70000' }, 'PORT'],
  ['an unknown setting', { EMBEDDING_MODELL: 'x' }, 'EMBEDDING_MODELL'],
  ['an address for all without a secret', { HOST: '0.0.0.0' }, 'SECRET_KEY'],
  ['a weak secret', { SECRET_KEY: 'short' }, 'SECRET_KEY'],
  ['a provider without its model', { CHAT_PROVIDER: 'openai', CHAT_URL: 'http://127.0.0.1/v1' }, 'CHAT_MODEL'],
  ['a storage that is not supported', { STORAGE_URL: 's3://bucket' }, 'STORAGE_URL'],
  ['a database that is not supported', { DATABASE_URL: 'postgres://db.example' }, 'DATABASE_URL'],
])('%s exits with 78 and names it', async (_name, env, name) => {
  const { code, stdout, stderr } = await check(env, '--json');
  expect({ code, stdout }).toEqual({ code: 78, stdout: '' });
  expect(JSON.parse(stderr)).toMatchObject({ code: 'config_invalid', detail: expect.stringContaining(name) });
});
