const OPEN = '[\\[【［]';
const CLOSE = '[\\]】］]';
const NUMBERS = '\\d+(?:\\s*[,;–-]\\s*\\d+)*';
/** Some models write their sources as `【1†source】`. */
const SUFFIX = '(?:†[^\\]】］\\n]{0,40})?';

/** `[1]`, `[1, 2]`, `[1-3]`, `【1】`, `【1†source】`. */
const MARKER = `${OPEN}\\s*(?:${NUMBERS})\\s*${SUFFIX}${CLOSE}`;

/** One or more markers in a row, with the spaces in front of them. */
export const MARKER_GROUP = new RegExp(`[ \\t]*${MARKER}(?:[ \\t]*${MARKER})*`, 'g');

const ONE_MARKER_HERE = new RegExp(MARKER, 'y');
const UNFINISHED_MARKER = new RegExp(`${OPEN}[\\d\\s,;–-]*(?:†[^\\]】］\\n]{0,40})?$`);
/** No marker that is meant as one is longer. */
const MAX_MARKER_CHARS = 80;
/** `[1-900000000]` must not become a list. */
const MAX_RANGE = 20;

/** The distinct numbers of a group, ranges written out, in order. */
export function numbersIn(group: string): number[] {
  const numbers = [...group.replace(/†[^\]】］]*/g, '').matchAll(/(\d+)(?:\s*[–-]\s*(\d+))?/g)].flatMap(
    ([, from, to]) => {
      const first = Number(from);
      const last = Number(to ?? from);
      const isRange = last >= first && last - first < MAX_RANGE;
      return isRange ? Array.from({ length: last - first + 1 }, (_, index) => first + index) : [first, last];
    },
  );
  return [...new Set(numbers)];
}

/** The end of the marker that begins at `at`, or null when none does. */
export function markerEndAt(text: string, at: number): number | null {
  ONE_MARKER_HERE.lastIndex = at;
  return ONE_MARKER_HERE.test(text) ? ONE_MARKER_HERE.lastIndex : null;
}

/** Where the marker begins that may go on behind the end of `text`, or null. */
export function unfinishedMarkerStart(text: string): number | null {
  const tail = text.slice(-MAX_MARKER_CHARS);
  const match = UNFINISHED_MARKER.exec(tail);
  return match ? text.length - tail.length + match.index : null;
}

export function withoutMarkers(text: string): string {
  // Taking one out may join the halves of another: `[[1]2]`.
  const shorter = text.replace(MARKER_GROUP, '');
  return shorter === text ? text : withoutMarkers(shorter);
}
