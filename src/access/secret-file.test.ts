import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTogether } from '../../test/access-processes/start-together.ts';
import { isWeakSecret, loadOrCreateSecret } from './secret-file.ts';

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anyrag-secret-'));
  file = join(directory, 'data', 'secret-key');
});
afterEach(() => rm(directory, { recursive: true }));

describe('the master secret', () => {
  test('that is set wins, and no file is made', async () => {
    expect(await loadOrCreateSecret({ value: 'v'.repeat(32), file })).toBe('v'.repeat(32));
    expect(await readdir(directory)).toEqual([]);
  });

  test('that is set but short is refused', async () => {
    await expect(loadOrCreateSecret({ value: 'short', file })).rejects.toThrow(/SECRET_KEY must have at least 32/);
  });

  test('is made once, is strong, and is readable for its owner alone', async () => {
    const secret = await loadOrCreateSecret({ value: null, file });
    expect(isWeakSecret(secret)).toBe(false);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await loadOrCreateSecret({ value: null, file })).toBe(secret);
    expect(await readdir(join(directory, 'data'))).toEqual(['secret-key']);
  });

  test('is the same for processes that start at once', async () => {
    const secrets = await startTogether('load-secret.ts', 4, file, 'secret');
    expect(secrets).toHaveLength(4);
    expect(new Set(secrets)).toEqual(new Set([(await readFile(file, 'utf8')).trim()]));
  });

  test('is the same for many calls at once', async () => {
    const secrets = await Promise.all(Array.from({ length: 30 }, () => loadOrCreateSecret({ value: null, file })));
    expect(new Set(secrets).size).toBe(1);
    expect(await readdir(join(directory, 'data'))).toEqual(['secret-key']);
  });

  test.each([0o640, 0o604, 0o620])('in a file of mode %o is refused with the command that helps', async (mode) => {
    await loadOrCreateSecret({ value: null, file });
    await chmod(file, mode);
    await expect(loadOrCreateSecret({ value: null, file })).rejects.toThrow(`run \`chmod 600 ${file}\``);
  });

  test('in an emptied file is refused, not replaced', async () => {
    await loadOrCreateSecret({ value: null, file });
    await writeFile(file, '');
    await expect(loadOrCreateSecret({ value: null, file })).rejects.toThrow(/restore the one/);
    expect(await readFile(file, 'utf8')).toBe('');
  });
});

test.each([
  ['too short', 'Zk3!x9', true],
  ['one character', 'a'.repeat(64), true],
  ['a word over and over', 'changeit'.repeat(6), true],
  ['a placeholder', 'please-change-me-0123456789-abcdefgh', true],
  ['our own example', 'your-secret-key-with-32-characters-or-more', true],
  ['random hexadecimal', '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c', false],
  ['random base64', 'q3v1yXo0mB7cT2uZkP9sLw8eR4nHj6aD5fGiVtYxQzE=', false],
])('a secret that is %s', (_, secret, weak) => {
  expect(isWeakSecret(secret)).toBe(weak);
});
