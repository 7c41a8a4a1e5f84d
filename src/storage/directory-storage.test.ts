import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { canMount, mountSmallDisk } from '../../test/harness/broken-disk.ts';
import { openDirectoryStorage } from './directory-storage.ts';
import type { Storage } from './storage.ts';

const LIMIT = { maxBytes: 1_000 };

let root: string;
let storage: Storage;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'anyrag-storage-'));
  storage = await openDirectoryStorage(root);
  return () => rm(root, { recursive: true });
});

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe('a stored file', () => {
  test('comes back as it was, with its size and its SHA-256', async () => {
    const content = Buffer.from([0, 255, 10, 13, 195, 40]);

    const stored = await storage.put(Readable.from([content.subarray(0, 2), content.subarray(2)]), LIMIT);

    expect(stored).toMatchObject({ bytes: 6, sha256: createHash('sha256').update(content).digest('hex') });
    const read = await storage.withLocalPath(stored.key, (path) => readFile(path));
    expect(read).toEqual(content);
  });

  test('may be read as a stream', async () => {
    const { key } = await storage.put(Readable.from(['some ', 'words']), LIMIT);

    expect(await text(await storage.open(key))).toBe('some words');
  });

  test('is for the owner of the process alone', async () => {
    const { key } = await storage.put(Readable.from(['x']), LIMIT);

    const mode = await storage.withLocalPath(key, async (path) => (await stat(path)).mode & 0o777);
    expect(mode).toBe(0o600);
  });

  test('is gone when it was deleted, and deleting it again is no error', async () => {
    const { key } = await storage.put(Readable.from(['x']), LIMIT);

    await storage.delete(key);
    await storage.delete(key);

    await expect(storage.open(key)).rejects.toMatchObject({ code: 'not_found' });
    await expect(storage.withLocalPath(key, async () => {})).rejects.toMatchObject({ code: 'not_found' });
  });

  test('has a key that says nothing of others', async () => {
    const keys = new Set<string>();
    for (let i = 0; i < 20; i++) keys.add((await storage.put(Readable.from(['same']), LIMIT)).key);

    expect(keys.size).toBe(20);
    expect(new Set([...keys].map((key) => key.slice(0, 2))).size).toBeGreaterThan(5);
  });
});

describe('a file of a backup', () => {
  const KEY = '3f/0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a3f';

  test('is put back under the key that it had, whatever its size', async () => {
    const stored = await storage.putBack(KEY, Readable.from([Buffer.alloc(2_000)]));

    expect(stored).toMatchObject({ key: KEY, bytes: 2_000 });
    expect(await filesBelow(root)).toEqual([join(root, KEY)]);
  });

  test('is not put where no storage puts anything', async () => {
    await expect(storage.putBack('../secret', Readable.from(['x']))).rejects.toMatchObject({ code: 'not_found' });
    expect(await filesBelow(root)).toEqual([]);
  });
});

describe('storing', () => {
  test('takes a file of exactly the limit and refuses one byte more', async () => {
    await storage.put(Readable.from([Buffer.alloc(1_000)]), LIMIT);

    await expect(storage.put(Readable.from([Buffer.alloc(1_001)]), LIMIT)).rejects.toMatchObject({
      code: 'payload_too_large',
    });
    expect(await filesBelow(root)).toHaveLength(1);
  });

  test.skipIf(!canMount)('says that the disk is full, and leaves nothing behind', async () => {
    const disk = await mountSmallDisk(1);
    onTestFinished(() => disk.unmount());
    const small = await openDirectoryStorage(disk.directory);
    const content = Readable.from([Buffer.alloc(2_000_000)]);
    await expect(small.put(content, { maxBytes: 3_000_000 })).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(await filesBelow(disk.directory)).toEqual([]);
    await expect(small.put(Readable.from(['fits']), LIMIT)).resolves.toMatchObject({ bytes: 4 });
  });

  test('leaves nothing behind when the sender fails', async () => {
    async function* broken() {
      yield Buffer.from('half');
      throw new Error('connection lost');
    }

    await expect(storage.put(Readable.from(broken()), LIMIT)).rejects.toThrow('connection lost');

    expect(await filesBelow(root)).toEqual([]);
  });
});

describe('a key that the storage did not make', () => {
  test.each(['../secret', '/etc/passwd', 'ab/../../secret', 'incoming/x', '', 'ab/short'])(
    'reaches no file: %j',
    async (key) => {
      await expect(storage.open(key)).rejects.toMatchObject({ code: 'not_found' });
      await expect(storage.withLocalPath(key, async () => {})).rejects.toMatchObject({ code: 'not_found' });
      await expect(storage.delete(key)).rejects.toMatchObject({ code: 'not_found' });
    },
  );
});

describe('opening', () => {
  test('removes uploads that a crash cut off a day ago, and no other', async () => {
    const incoming = join(root, 'incoming');
    const { key } = await storage.put(Readable.from(['kept']), LIMIT);
    await writeFile(join(incoming, 'abandoned'), 'x');
    await writeFile(join(incoming, 'running'), 'x');
    const yesterday = Date.now() / 1_000 - 25 * 3_600;
    await utimes(join(incoming, 'abandoned'), yesterday, yesterday);

    const again = await openDirectoryStorage(root);

    expect(await readdir(incoming)).toEqual(['running']);
    expect(await text(await again.open(key))).toBe('kept');
  });

  test('does not mind an upload that ends meanwhile', async () => {
    // What has been renamed between the listing and the look, for whoever looks at it by its name.
    await symlink(join(root, 'gone'), join(root, 'incoming', 'just-ended'));

    await openDirectoryStorage(root);
  });

  test('makes the directory', async () => {
    await openDirectoryStorage(join(root, 'a', 'b'));

    expect(await readdir(join(root, 'a', 'b'))).toEqual(['incoming']);
  });

  test('of a place that is a file fails', async () => {
    await mkdir(join(root, 'x'));
    await writeFile(join(root, 'x', 'incoming'), '');

    await expect(openDirectoryStorage(join(root, 'x'))).rejects.toThrow();
  });
});
