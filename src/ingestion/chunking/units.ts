import { sentenceRanges } from '../../base/sentences.ts';
import { cutPoint, pieceRanges, type TextRange } from '../../base/text-cut.ts';
import type { BlockSpan } from './chunk.ts';
import { HARD_MAX_CHUNK_CHARS, MAX_CHUNK_CHARS, MAX_HEADING_CHARS } from './chunk-size.ts';

/** The smallest range that a chunk takes or leaves, in offsets of the canonical text. Trimmed, never empty. */
export interface Unit extends TextRange {
  /** Only whole sentences are repeated as overlap; a `part` is a table, code or a piece of something too long. */
  kind: 'heading' | 'sentence' | 'part';
  /** A chunk had better end here than in the middle of a block. */
  endsBlock: boolean;
  page: number | null;
}

export function isHeading(span: BlockSpan): boolean {
  return span.kind === 'heading' && span.end - span.start <= MAX_HEADING_CHARS;
}

/** The units of a block, in order, holding every non-blank character of it; none is longer than the hard maximum. */
export function unitsOf(text: string, span: BlockSpan): Unit[] {
  const units = rangesOf(text, span).map(
    ({ start, end, kind }): Unit => ({ start, end, kind, endsBlock: false, page: span.page ?? null }),
  );
  const last = units.at(-1);
  if (last) last.endsBlock = true;
  return units;
}

type KindedRange = TextRange & { kind: Unit['kind'] };

function rangesOf(text: string, span: BlockSpan): KindedRange[] {
  if (isHeading(span)) return [{ start: span.start, end: span.end, kind: 'heading' }];
  if (span.kind === 'code' || span.kind === 'table') return parts(text, span, cutAtLineEnd);
  return sentenceRanges(text.slice(span.start, span.end)).flatMap((sentence): KindedRange[] => {
    const range = shift(sentence, span.start);
    return range.end - range.start <= HARD_MAX_CHUNK_CHARS
      ? [{ ...range, kind: 'sentence' }]
      : parts(text, range, cutPoint);
  });
}

function parts(text: string, range: TextRange, cut: typeof cutPoint): KindedRange[] {
  const pieces = pieceRanges(text.slice(range.start, range.end), MAX_CHUNK_CHARS, cut);
  return pieces.map((piece) => ({ ...shift(piece, range.start), kind: 'part' }));
}

function shift({ start, end }: TextRange, by: number): TextRange {
  return { start: start + by, end: end + by };
}

function cutAtLineEnd(text: string, start: number, maxEnd: number): number {
  if (maxEnd >= text.length) return text.length;
  // Searching the whole text backwards would take quadratic time where there are no lines.
  const lineEnd = text.slice(start, maxEnd).lastIndexOf('\n');
  return lineEnd > 0 ? start + lineEnd + 1 : cutPoint(text, start, maxEnd);
}
