import { markerEndAt, unfinishedMarkerStart } from './citation-markers.ts';

/** A unit without an end is cut at white space by then, so that a stream does not stall. */
const MAX_UNIT_CHARS = 600;

/**
 * The end of the first unit of a growing text: a sentence with the citation markers behind it, or a line. Null while more
 * text could change it. Never inside a marker, and only behind white space or a full-width mark, where no link or tag can
 * go on unseen. Depends on the text alone, not on how it arrived.
 */
export function unitEnd(text: string, isWhole: boolean): number | null {
  if (text === '') return null;
  for (const { index, 0: mark } of text.matchAll(/\n+|[.!?…。！？]+["'”’»」』)*_]*/g)) {
    if (index > MAX_UNIT_CHARS) break;
    if (unfinishedMarkerStart(text.slice(0, index)) !== null) continue;
    const end = mark.startsWith('\n') ? blankEnd(text, index) : sentenceEnd(text, index + mark.length);
    if (end === text.length && !isWhole) return null;
    if (end !== null) return end;
  }
  return forcedEnd(text) ?? (isWhole ? text.length : null);
}

function blankEnd(text: string, at: number): number {
  let end = at;
  while (end < text.length && /\s/.test(text[end]!)) end++;
  return end;
}

/** Behind the markers and the space that follow a sentence mark; null when the mark ended no sentence, as in 3.14. */
function sentenceEnd(text: string, markEnd: number): number | null {
  let end = markEnd;
  for (;;) {
    const next = blankEnd(text, end);
    const markerEnd = markerEndAt(text, next);
    if (markerEnd === null && next < text.length && unfinishedMarkerStart(text.slice(next)) !== 0) {
      const isSeparated = next > end || /[。！？」』]/.test(text[markEnd - 1]!);
      return isSeparated ? next : null;
    }
    if (markerEnd === null) return text.length;
    end = markerEnd;
  }
}

function forcedEnd(text: string): number | null {
  if (text.length <= MAX_UNIT_CHARS) return null;
  const blanks = [...text.slice(0, MAX_UNIT_CHARS).matchAll(/\s+(?=\S)/g)].map(
    (blank) => blank.index + blank[0].length,
  );
  const end = blanks.findLast((at) => unfinishedMarkerStart(text.slice(0, at)) === null);
  if (end !== undefined) return end;
  const later = /\s/.exec(text.slice(MAX_UNIT_CHARS));
  return later ? MAX_UNIT_CHARS + later.index + 1 : null;
}
