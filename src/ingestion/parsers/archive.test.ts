import { describe, expect, test } from 'vitest';
import { buildZip } from '../../../test/document-builders.ts';
import { codeOf, withFile } from '../../../test/parse-bytes.ts';
import { type Archive, withArchive } from './archive.ts';

const MIB = 1024 * 1024;

async function inArchive<T>(
  bytes: Buffer,
  maxExpandedBytes: number,
  use: (archive: Archive) => Promise<T>,
): Promise<T> {
  return withFile(bytes, (path) => withArchive(path, { maxExpandedBytes }, use));
}

/** Bytes that do not compress, the same on every run. */
function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = 1;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[at] = state >>> 16;
  }
  return bytes;
}

describe('archives', () => {
  test('entries are read by name', async () => {
    const zip = await buildZip({ 'a/b.txt': 'hello', 'c!': 'stored' });
    const texts = await inArchive(zip, MIB, async (archive) => {
      expect(archive.names).toEqual(['a/b.txt', 'c']);
      return [(await archive.read('a/b.txt')).toString(), (await archive.read('c')).toString()];
    });
    expect(texts).toEqual(['hello', 'stored']);
  });

  test('an entry that expands beyond 100 times its size is an archive_bomb', async () => {
    const zip = await buildZip({ zeros: Buffer.alloc(10 * MIB) });
    expect(await codeOf(inArchive(zip, 100 * MIB, (archive) => archive.read('zeros')))).toBe('archive_bomb');
  });

  test('entries that expand beyond the budget together are an archive_bomb', async () => {
    const zip = await buildZip({ a: noise(MIB), b: noise(MIB) });
    const readBoth = async (archive: Archive) => [await archive.read('a'), await archive.read('b')];
    expect(await codeOf(inArchive(zip, 3 * MIB, readBoth))).toBe('no error');
    expect(await codeOf(inArchive(zip, 1.5 * MIB, readBoth))).toBe('archive_bomb');
  });

  test('a size that the directory understates does not help a bomb', async () => {
    const understate = (zip: Buffer) => {
      zip.writeUInt32LE(100, zip.indexOf(Buffer.from('504b0102', 'hex')) + 24);
      return zip;
    };
    const zeros = understate(await buildZip({ a: Buffer.alloc(10 * MIB) }));
    expect(await codeOf(inArchive(zeros, 100 * MIB, (archive) => archive.read('a')))).toBe('archive_bomb');
    const large = understate(await buildZip({ a: noise(2 * MIB) }));
    expect(await codeOf(inArchive(large, MIB, (archive) => archive.read('a')))).toBe('archive_bomb');
  });

  test('too many entries are an archive_bomb', async () => {
    const zip = await buildZip(Object.fromEntries(Array.from({ length: 10_001 }, (_, n) => [`f${n}!`, ''])));
    expect(await codeOf(inArchive(zip, MIB, async () => null))).toBe('archive_bomb');
  });

  test('a damaged entry is document_corrupt', async () => {
    const zip = await buildZip({ a: noise(1000) });
    zip.fill(0, 100, 300);
    expect(await codeOf(inArchive(zip, MIB, (archive) => archive.read('a')))).toBe('document_corrupt');
  });

  test('a name that climbs out of the archive is document_corrupt', async () => {
    const zip = await buildZip({ 'aa/b.txt': 'x' });
    const climbing = Buffer.from(zip.toString('latin1').replaceAll('aa/b.txt', '../b.txt'), 'latin1');
    expect(await codeOf(inArchive(climbing, MIB, async () => null))).toBe('document_corrupt');
  });

  test('a missing entry is document_corrupt', async () => {
    const zip = await buildZip({ a: 'x' });
    expect(await codeOf(inArchive(zip, MIB, (archive) => archive.read('b')))).toBe('document_corrupt');
  });
});
