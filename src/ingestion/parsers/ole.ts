import { open } from 'node:fs/promises';

/** Header of a compound file ([MS-CFB] §2.2): old Office formats, and the envelope of encrypted new ones. */
const SIGNATURE = Buffer.from('d0cf11e0a1b11ae1', 'hex');

const HEADER_BYTES = 512;
const ENTRY_BYTES = 128;
const END_OF_CHAIN = 0xfffffffa;
const HEADER_FAT_SECTORS = 109;

/** The entries that tell the formats apart are the first ones written; a chain may also run in a circle. */
const MAX_DIRECTORY_SECTORS = 64;

export function isOleFile(start: Buffer): boolean {
  return start.subarray(0, SIGNATURE.byteLength).equals(SIGNATURE);
}

/** Names of the streams and storages in a compound file, as far as its directory can be followed. */
export async function readOleNames(path: string): Promise<string[]> {
  await using file = await open(path, 'r');
  const read = async (position: number, length: number) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
    return buffer.subarray(0, bytesRead);
  };
  const header = await read(0, HEADER_BYTES);
  if (header.byteLength < HEADER_BYTES) return [];
  const sectorBytes = header.readUInt16LE(30) === 12 ? 4096 : 512;
  const positionOf = (sector: number) => (sector + 1) * sectorBytes;
  const names: string[] = [];
  let sector = header.readUInt32LE(48);
  for (let count = 0; sector < END_OF_CHAIN && count < MAX_DIRECTORY_SECTORS; count++) {
    names.push(...entryNames(await read(positionOf(sector), sectorBytes)));
    const fatIndex = Math.floor((sector * 4) / sectorBytes);
    if (fatIndex >= HEADER_FAT_SECTORS) break;
    const fat = await read(positionOf(header.readUInt32LE(76 + fatIndex * 4)) + ((sector * 4) % sectorBytes), 4);
    if (fat.byteLength < 4) break;
    sector = fat.readUInt32LE(0);
  }
  return names;
}

function entryNames(directory: Buffer): string[] {
  const names: string[] = [];
  for (let at = 0; at + ENTRY_BYTES <= directory.byteLength; at += ENTRY_BYTES) {
    const nameBytes = directory.readUInt16LE(at + 64);
    if (nameBytes >= 2 && nameBytes <= 64) names.push(directory.toString('utf16le', at, at + nameBytes - 2));
  }
  return names;
}
