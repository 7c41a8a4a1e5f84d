/** A range of a text in UTF-16 code units, end exclusive. */
export interface TextRange {
  start: number;
  end: number;
}

const words = new Intl.Segmenter('en', { granularity: 'word' });
const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Characters past the cut that the segmenter sees, so that a word or grapheme reaching over the cut is recognised. */
const LOOKAHEAD_CHARS = 32;

/**
 * The best place in `(start, maxEnd]` to cut `text` when it has to be cut somewhere: at white space in the second half
 * of the window, else at a word boundary (also of scripts without spaces), else between graphemes. Only a grapheme longer
 * than the whole window is cut inside, and then between code points. `start` must itself be such a place. Offsets are
 * UTF-16 code units; looks at no more than the window and a few characters behind it.
 */
export function cutPoint(text: string, start: number, maxEnd: number): number {
  if (maxEnd >= text.length) return text.length;
  const earliest = start + Math.ceil((maxEnd - start) / 2);
  return (
    cutAtBlank(text, earliest, maxEnd) ??
    cutAtSegment(text, start, earliest, maxEnd) ??
    cutAtCodePoint(text, start, maxEnd)
  );
}

/** The front of `text`, at most `maxChars` long, cut by the rules of `cutPoint` and trimmed. */
export function shorten(text: string, maxChars: number): string {
  return text.slice(0, cutPoint(text, 0, maxChars)).trim();
}

/**
 * The text in consecutive ranges of at most `maxChars`, trimmed, none of them empty, together holding every non-blank
 * character. `cut` chooses the places; the default is `cutPoint`.
 */
export function pieceRanges(text: string, maxChars: number, cut: typeof cutPoint = cutPoint): TextRange[] {
  const ranges: TextRange[] = [];
  for (let start = 0; start < text.length; ) {
    const end = cut(text, start, start + maxChars);
    const range = trimRange(text, { start, end });
    if (range.start < range.end) ranges.push(range);
    start = end;
  }
  return ranges;
}

/** The range without the white space at its ends; empty when it holds nothing else. */
export function trimRange(text: string, range: TextRange): TextRange {
  let { start, end } = range;
  while (start < end && isBlank(text[start]!)) start++;
  while (end > start && isBlank(text[end - 1]!)) end--;
  return { start, end };
}

function cutAtBlank(text: string, earliest: number, maxEnd: number): number | null {
  for (let at = maxEnd; at >= earliest; at--) {
    if (!isBlank(text[at - 1]!) && !isBlank(text[at]!)) continue;
    // A combining mark after a space belongs to it.
    if (graphemes.segment(text.slice(at - 1, at + 3)).containing(1)?.index === 1) return at;
  }
  return null;
}

function cutAtSegment(text: string, start: number, earliest: number, maxEnd: number): number | null {
  const window = text.slice(start, maxEnd + LOOKAHEAD_CHARS);
  const word = words.segment(window).containing(maxEnd - start)!.index;
  if (start + word >= earliest && graphemes.segment(window).containing(word)!.index === word) return start + word;
  const grapheme = graphemes.segment(window).containing(maxEnd - start)!.index;
  return grapheme > 0 ? start + grapheme : null;
}

function cutAtCodePoint(text: string, start: number, maxEnd: number): number {
  const splitsPair = (text.codePointAt(maxEnd - 1) ?? 0) > 0xffff;
  return splitsPair && maxEnd - 1 > start ? maxEnd - 1 : maxEnd;
}

function isBlank(char: string): boolean {
  return char.trim() === '';
}
