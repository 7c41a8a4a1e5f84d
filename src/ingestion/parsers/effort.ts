import { stat } from 'node:fs/promises';
import type { ParseInput } from './parsed-document.ts';

/** Formats whose parsers take quadratic time on text that is made for it; what is honest takes time in line with its size. */
const BOUNDED = new Set(['text/html', 'text/markdown', 'application/x-ipynb+json']);

/**
 * A megabyte of dense Markdown took 6 s of processor time and one of HTML 2 s, 4.9 MB of them 25 s and 8 s (November 2026,
 * 2 GHz): three to five times that is for slower machines.
 */
const BASE_MS = 20_000;
const MS_PER_MEGABYTE = 12_000;

/** Most processor time that parsing the file may take, for formats where that can be told from its size; else null. */
export async function mostEffortMs({ path, mediaType }: ParseInput): Promise<number | null> {
  if (!BOUNDED.has(mediaType)) return null;
  const { size } = await stat(path);
  return Math.round(BASE_MS + (size / 1_000_000) * MS_PER_MEGABYTE);
}
