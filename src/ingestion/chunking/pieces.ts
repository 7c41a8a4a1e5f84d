import { sentenceRanges } from '../../base/sentences.ts';
import { pieceRanges, shorten, type TextRange } from '../../base/text-cut.ts';

/** More of the title would crowd out the text. */
const MAX_TITLE_SHARE = 1 / 3;

/**
 * A chunk in pieces for embedding, since an encoder reads only the beginning of a longer text: whole sentences, as many as
 * fit, with the title (cut when long) on a line in front. No piece is longer than `maxChars` (UTF-16 code units, at least
 * 30). A chunk scores as its best piece. Blank text gives `[]`.
 */
export function piecesOf(chunkText: string, title: string | null, maxChars: number): string[] {
  if (maxChars < 30) throw new RangeError(`maxChars must be at least 30, not ${maxChars}`);
  const head = shorten((title ?? '').replace(/\s+/g, ' ').trim(), Math.floor(maxChars * MAX_TITLE_SHARE));
  const prefix = head === '' ? '' : `${head}\n`;
  return packRanges(chunkText, maxChars - prefix.length).map(({ start, end }) => prefix + chunkText.slice(start, end));
}

function packRanges(text: string, maxChars: number): TextRange[] {
  const packed: TextRange[] = [];
  for (const range of sentenceRanges(text).flatMap((sentence) => cutToFit(text, sentence, maxChars))) {
    const current = packed.at(-1);
    if (current && range.end - current.start <= maxChars) current.end = range.end;
    else packed.push(range);
  }
  return packed;
}

function cutToFit(text: string, sentence: TextRange, maxChars: number): TextRange[] {
  const pieces = pieceRanges(text.slice(sentence.start, sentence.end), maxChars);
  return pieces.map(({ start, end }) => ({ start: sentence.start + start, end: sentence.start + end }));
}
