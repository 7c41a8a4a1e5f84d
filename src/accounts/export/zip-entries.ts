import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';

/** A file of an archive; its content is read when its turn has come. */
export interface ArchiveEntry {
  readonly path: string;
  readonly content: AsyncIterable<string | Uint8Array>;
  /** Default true; for what is packed already it would only cost time. */
  readonly compress?: boolean;
}

/**
 * A ZIP archive (ZIP64 where it is needed) as it is being made, one entry after the other, at the speed of whoever reads it: no
 * more than some buffers of it are in memory. Where an entry fails the stream does, so that nobody takes half of it for the
 * whole: the directory of a ZIP stands at its end.
 */
export function zipEntries(entries: AsyncIterable<ArchiveEntry>): Readable {
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  zip.on('error', (error: unknown) => output.destroy(error as Error));
  const closed = new Promise<never>((_resolve, reject) => {
    output.once('close', () => reject(new Error('the reader of the archive has gone')));
  });
  // Also where nobody waits for it any more.
  closed.catch(() => {});
  addAll(zip, entries, closed).catch((error: unknown) => output.destroy(error as Error));
  return output;
}

async function addAll(zip: ZipFile, entries: AsyncIterable<ArchiveEntry>, closed: Promise<never>): Promise<void> {
  const mtime = new Date();
  for await (const { path, content, compress = true } of entries) {
    const source = Readable.from(content, { objectMode: false });
    const read = new Promise<void>((resolve, reject) => source.once('end', resolve).once('error', reject));
    zip.addReadStream(source, path, { mtime, compress });
    try {
      await Promise.race([read, closed]);
    } finally {
      source.destroy();
    }
  }
  zip.end();
}
