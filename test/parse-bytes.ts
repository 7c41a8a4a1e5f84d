import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '../src/errors/app-error.ts';
import { detectMediaType } from '../src/ingestion/parsers/detect.ts';
import type { Block, ParsedDocument, ParseInput, ParseLimits } from '../src/ingestion/parsers/parsed-document.ts';
import { loadParser } from '../src/ingestion/parsers/registry.ts';

export const LIMITS: ParseLimits = { maxPages: 1000, maxTextChars: 1_000_000, maxExpandedBytes: 20 * 1024 * 1024 };

/** Runs `use` on a file with these bytes and removes it afterwards. */
export async function withFile<T>(bytes: Buffer | string, use: (path: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-test-'));
  try {
    const path = join(directory, 'file');
    await writeFile(path, bytes);
    return await use(path);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Parses bytes in this process, by the media type given or the one detected. */
export async function parseBytes(
  bytes: Buffer | string,
  about: Partial<Omit<ParseInput, 'path' | 'limits'>> & { limits?: Partial<ParseLimits> } = {},
): Promise<ParsedDocument> {
  return withFile(bytes, async (path) => {
    const fileName = about.fileName ?? null;
    const mediaType = about.mediaType ?? (await detectMediaType(path, fileName));
    const parse = await loadParser(mediaType);
    return parse({ path, mediaType, fileName, charset: about.charset ?? null, limits: { ...LIMITS, ...about.limits } });
  });
}

export async function detectBytes(bytes: Buffer | string, fileName: string | null = null): Promise<string> {
  return withFile(bytes, (path) => detectMediaType(path, fileName));
}

/** Code of the `AppError` that a promise fails with; any other error is passed on, success is `no error`. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return 'no error';
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

/** All text of a block: cells of tables parted by blanks. */
export function textOfBlock(block: Block): string {
  if (block.kind !== 'table') return block.text;
  return [block.caption ?? '', ...block.header, ...block.rows.flat()].filter((cell) => cell !== '').join(' ');
}

export function textOfDocument(document: ParsedDocument): string {
  return document.blocks.map(textOfBlock).join('\n');
}
