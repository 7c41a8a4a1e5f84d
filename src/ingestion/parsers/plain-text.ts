import { collectBlocks } from './block-collector.ts';
import { cleanLines } from './clean-text.ts';
import { readTextFile } from './decode.ts';
import type { ParsedDocument, ParseInput } from './parsed-document.ts';

/** UTF-8 takes at most three bytes for a UTF-16 code unit, the other encodings four. */
export const MAX_BYTES_PER_CHAR = 4;

/** Plain text: paragraphs are what blank lines part. Line breaks inside one are kept,
 * since nothing tells wrapping from verse, lists, or log lines. */
export async function parsePlainText(input: ParseInput): Promise<ParsedDocument> {
  const decoded = await readTextFile(input.path, {
    declared: input.charset,
    maxBytes: input.limits.maxTextChars * MAX_BYTES_PER_CHAR,
  });
  const blocks = collectBlocks(input.limits);
  if (decoded.isLossy) blocks.warn('undecodable_bytes_replaced');
  for (const paragraph of cleanLines(decoded.text).split(/\n[^\S\n]*\n\s*/)) blocks.addLines('paragraph', paragraph);
  return blocks.finish({ title: null });
}
