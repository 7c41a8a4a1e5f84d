/** A range of a text, the end exclusive. */
export interface Range {
  start: number;
  end: number;
}

/**
 * Positions in a text counted in characters that are not white space. Parsing may set other line breaks and spaces than the
 * file had; these positions mean the same in both.
 */
export class InkPositions {
  /** Without its white space. */
  readonly ink: string;
  readonly #before: Uint32Array;

  constructor(text: string) {
    this.#before = new Uint32Array(text.length + 1);
    const isBlank = /\s/;
    let count = 0;
    for (let at = 0; at < text.length; at++) {
      if (!isBlank.test(text[at]!)) count++;
      this.#before[at + 1] = count;
    }
    this.ink = text.replace(/\s+/g, '');
  }

  /** `range` in UTF-16 code units of the text. */
  toInk({ start, end }: Range): Range {
    return { start: this.#before[start]!, end: this.#before[end]! };
  }
}

/** How much of `wanted` lies in the union of `given`, 0..1. */
export function coveredShare(wanted: readonly Range[], given: readonly Range[]): number {
  const covered = union(given);
  const targets = union(wanted);
  const total = targets.reduce((sum, { start, end }) => sum + end - start, 0);
  const found = targets.reduce(
    (sum, target) => sum + covered.reduce((part, range) => part + overlap(target, range), 0),
    0,
  );
  return found / total;
}

function overlap(a: Range, b: Range): number {
  return Math.max(0, Math.min(a.end, b.end) - Math.max(a.start, b.start));
}

function union(ranges: readonly Range[]): Range[] {
  const merged: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1);
    if (last !== undefined && range.start <= last.end) last.end = Math.max(last.end, range.end);
    else merged.push({ ...range });
  }
  return merged;
}
