import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { access, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { syncToDisk } from '../base/durable-writes.ts';
import { newId } from '../base/ids.ts';
import { AppError } from '../errors/app-error.ts';
import type { Storage, StoredFile } from './storage.ts';

/** An upload that is still incomplete after this long was cut off by a crash. */
const ABANDONED_MS = 24 * 3_600_000;
const KEY = /^[0-9a-f]{2}\/[0-9a-f-]{36}$/;

/** Files in a directory, spread over 256 folders, each written beside and renamed when it is whole. */
export async function openDirectoryStorage(root: string): Promise<Storage> {
  const incoming = join(root, 'incoming');
  await mkdir(incoming, { recursive: true, mode: 0o700 });
  await removeAbandoned(incoming);

  async function store(key: string, content: Readable, maxBytes: number): Promise<StoredFile> {
    const partial = join(incoming, newId());
    try {
      const { bytes, sha256 } = await writeCounted(content, partial, maxBytes);
      await mkdir(join(root, dirname(key)), { recursive: true, mode: 0o700 });
      await rename(partial, join(root, key));
      return { key, bytes, sha256 };
    } catch (error) {
      await rm(partial, { force: true });
      throw isOfDisk(error) ? new AppError('storage_unavailable', undefined, { cause: error }) : error;
    }
  }

  return {
    put(content, { maxBytes }) {
      const id = newId();
      // The end of the id is random, its beginning is the time.
      return store(`${id.slice(-2)}/${id}`, content, maxBytes);
    },

    async putBack(key, content) {
      const path = pathOf(root, key);
      const stored = await store(key, content, Number.POSITIVE_INFINITY);
      await syncToDisk(dirname(path));
      return stored;
    },

    async open(key) {
      const handle = await open(pathOf(root, key)).catch(cannotRead);
      return handle.createReadStream();
    },

    async withLocalPath(key, use) {
      const path = pathOf(root, key);
      await access(path).catch(cannotRead);
      return use(path);
    },

    list: () => filesIn(root),

    async delete(key) {
      await rm(pathOf(root, key), { force: true });
    },
  };
}

function pathOf(root: string, key: string): string {
  if (!KEY.test(key)) throw new AppError('not_found', 'The stored file is gone');
  return join(root, key);
}

function cannotRead(error: NodeJS.ErrnoException): never {
  if (error.code === 'ENOENT') throw new AppError('not_found', 'The stored file is gone', { cause: error });
  throw new AppError('storage_unavailable', undefined, { cause: error });
}

/** Full, over its quota, read-only, failing, or out of handles: not what the sender of a stream can cause. */
const DISK_ERRORS = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EACCES', 'ENOENT', 'EMFILE', 'ENFILE', 'EFBIG']);

function isOfDisk(error: unknown): boolean {
  return error instanceof Error && 'code' in error && DISK_ERRORS.has(error.code as string);
}

async function* filesIn(root: string) {
  for (const folder of await readdir(root)) {
    if (!/^[0-9a-f]{2}$/.test(folder)) continue;
    for (const name of await readdir(join(root, folder))) {
      const key = `${folder}/${name}`;
      const found = KEY.test(key) ? await stat(join(root, key)).catch(deletedMeanwhile) : null;
      if (found !== null) yield { key, storedAt: found.mtimeMs };
    }
  }
}

function deletedMeanwhile(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

async function writeCounted(content: Readable, path: string, maxBytes: number) {
  const hash = createHash('sha256');
  let bytes = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > maxBytes) return done(new AppError('payload_too_large', `The file is larger than ${maxBytes} bytes`));
      hash.update(chunk);
      done(null, chunk);
    },
  });
  await pipeline(content, counter, createWriteStream(path, { mode: 0o600, flush: true }));
  return { bytes, sha256: hash.digest('hex') };
}

async function removeAbandoned(incoming: string): Promise<void> {
  for (const name of await readdir(incoming)) {
    const path = join(incoming, name);
    const modifiedMs = await modifiedAt(path);
    if (modifiedMs !== null && Date.now() - modifiedMs > ABANDONED_MS) await rm(path, { force: true });
  }
}

/** Null for an upload that another process has just finished: its file has got another name. */
async function modifiedAt(path: string): Promise<number | null> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
