import type { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { AppError } from '../../errors/app-error.ts';

/** An open zip file. Entry names are keys and nothing else: no entry is ever written to a path. */
export interface Archive {
  readonly names: readonly string[];
  has(name: string): boolean;
  /** The expanded bytes of an entry. Throws `document_corrupt` if it is missing or damaged, `archive_bomb` over a limit. */
  read(name: string): Promise<Buffer>;
  /** As `read`, piece by piece, for entries too large to hold. */
  chunks(name: string): AsyncGenerator<Buffer, void, undefined>;
  close(): void;
}

/** Office files hold tens to hundreds of entries, the largest books a few thousand. */
const MAX_ENTRIES = 10_000;

/** Deflate reaches 1032:1 at most; office XML of real documents stays below 100:1 except in very small entries. */
const MAX_RATIO = 100;
const RATIO_FLOOR_BYTES = 1024 * 1024;

/**
 * Opens a zip file and reads its directory. What is read later counts against one budget of `maxExpandedBytes`, by the bytes
 * really inflated; sizes in the directory are only used to refuse early. Entries that are archives themselves stay closed.
 *
 * Throws `document_corrupt` if this is no zip file, `archive_bomb` if it has too many entries.
 */
async function openArchive(path: string, limits: { maxExpandedBytes: number }): Promise<Archive> {
  // Sizes in the directory are not believed in any case, and some producers get them wrong.
  const zip = await whileReading(() => yauzl.openPromise(path, { autoClose: false, validateEntrySizes: false }));
  try {
    return archiveOf(zip, await readDirectory(zip), limits.maxExpandedBytes);
  } catch (error) {
    zip.close();
    throw error;
  }
}

/** Runs `use` on the archive and closes it whatever happens. */
export async function withArchive<T>(
  path: string,
  limits: { maxExpandedBytes: number },
  use: (archive: Archive) => Promise<T>,
): Promise<T> {
  const archive = await openArchive(path, limits);
  try {
    return await use(archive);
  } finally {
    archive.close();
  }
}

function archiveOf(zip: ZipFile, entries: Map<string, Entry>, maxExpandedBytes: number): Archive {
  let leftBytes = maxExpandedBytes;

  async function* chunks(name: string): AsyncGenerator<Buffer, void, undefined> {
    const entry = entries.get(name);
    if (entry === undefined) throw new AppError('document_corrupt', `The file lacks its part ${name}.`);
    if (entry.isEncrypted()) throw new AppError('document_encrypted');
    if (entry.uncompressedSize > leftBytes) throw bomb(maxExpandedBytes);
    const stream = await whileReading<Readable>(() => zip.openReadStreamPromise(entry));
    const pieces = stream[Symbol.asyncIterator]();
    let entryBytes = 0;
    let checksum = 0;
    try {
      for (;;) {
        const piece = await whileReading<IteratorResult<Buffer>>(() => pieces.next());
        if (piece.done) break;
        checksum = crc32(piece.value, checksum);
        entryBytes += piece.value.byteLength;
        leftBytes -= piece.value.byteLength;
        if (leftBytes < 0 || expandsTooFar(entryBytes, entry.compressedSize)) throw bomb(maxExpandedBytes);
        yield piece.value;
      }
    } finally {
      stream.destroy();
    }
    // yauzl leaves this to its callers, and damage need not break the deflate stream.
    if (checksum !== entry.crc32) throw new AppError('document_corrupt', `The part ${name} of the file is damaged.`);
  }

  return {
    names: [...entries.keys()],
    has: (name) => entries.has(name),
    chunks,
    async read(name) {
      const pieces: Buffer[] = [];
      for await (const piece of chunks(name)) pieces.push(piece);
      return Buffer.concat(pieces);
    },
    close: () => zip.close(),
  };
}

async function readDirectory(zip: ZipFile): Promise<Map<string, Entry>> {
  if (zip.entryCount > MAX_ENTRIES) {
    throw new AppError('archive_bomb', `The archive has ${zip.entryCount} entries; ${MAX_ENTRIES} are allowed.`);
  }
  return whileReading(async () => {
    const entries = new Map<string, Entry>();
    for await (const entry of zip.eachEntry()) {
      if (!entry.fileName.endsWith('/')) entries.set(entry.fileName, entry);
    }
    return entries;
  });
}

function expandsTooFar(expandedBytes: number, compressedBytes: number): boolean {
  return expandedBytes > RATIO_FLOOR_BYTES && expandedBytes > compressedBytes * MAX_RATIO;
}

function bomb(maxExpandedBytes: number): AppError {
  return new AppError(
    'archive_bomb',
    `The archive expands beyond ${maxExpandedBytes} bytes in all or ${MAX_RATIO} times its size in one entry.`,
  );
}

/** yauzl and zlib report every kind of damage as a plain error; anything else that fails here is damage, too. */
async function whileReading<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('document_corrupt', 'The file is a damaged archive.', { cause: error });
  }
}
