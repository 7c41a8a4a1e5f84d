import type { PdfLine } from './pdf-lines.ts';

export interface PdfParagraph {
  kind: 'heading' | 'paragraph' | 'list_item';
  text: string;
  page: number;
  /** For headings: 1 for the largest type. */
  level?: number;
}

/** A heading's type is larger than that of the text by at least this factor; below, emphasis and headings look alike. */
const HEADING_FACTOR = 1.15;
const MAX_HEADING_CHARS = 200;

/** Where more of the text than this is in large type, the large type is the text and the rest small print. */
const MAX_HEADING_SHARE = 0.3;

/** A gap larger than the usual advance by this factor parts paragraphs. */
const GAP_FACTOR = 1.3;

/** Line advance in font sizes while a document has too few lines to tell. */
const DEFAULT_ADVANCE = 1.2;

/** Indentation in font sizes that starts a paragraph. */
const INDENT = 0.8;

/** Lines of a paragraph that are looked at for its right margin. */
const MARGIN_LINES = 10;

const BULLET = /^\s*[•●▪■◦‣⁃∙○–—*-]\s+(?=\S)/;
const NUMBERED = /^\s*(\(?\d{1,3}[.)]|\[\d{1,3}\]|\(?[a-z][.)])\s+\S/;

/**
 * Paragraphs, list items and headings from the lines of a whole document. A paragraph ends at a change of page, direction
 * or size, at a gap, an indentation, a bullet, or a line with room left for the next word. Words hyphenated at line ends
 * are joined, unless the document writes them with the hyphen elsewhere.
 */
export function paragraphsOf(lines: PdfLine[]): PdfParagraph[] {
  const advance = usualAdvance(lines);
  const words = vocabularyOf(lines);
  const groups = groupLines(lines, advance).map((group) => ({ group, text: joinLines(group, words) }));
  const headingSizes = headingSizesOf(lines);
  return groups.map(({ group, text }) => {
    const { page, size } = group[0]!;
    const level = headingSizes.indexOf(roundSize(size)) + 1;
    if (level > 0 && text.length <= MAX_HEADING_CHARS && /\p{L}/u.test(text))
      return { kind: 'heading', text, page, level };
    if (BULLET.test(text)) return { kind: 'list_item', text: text.replace(BULLET, ''), page };
    return { kind: 'paragraph', text, page };
  });
}

/** Font sizes of headings, largest first: clearly above that of the text, and together little of the document. */
function headingSizesOf(lines: PdfLine[]): number[] {
  const chars = charsBy(lines, ({ size }) => roundSize(size));
  const bodySize = mostFrequent(chars) ?? 0;
  const allChars = [...chars.values()].reduce((sum, count) => sum + count, 0);
  const sizes: number[] = [];
  let headingChars = 0;
  for (const [size, count] of [...chars].sort((a, b) => b[0] - a[0])) {
    headingChars += count;
    if (size < bodySize * HEADING_FACTOR || headingChars > allChars * MAX_HEADING_SHARE) break;
    sizes.push(size);
  }
  return sizes;
}

function groupLines(lines: PdfLine[], advance: number): PdfLine[][] {
  const groups: PdfLine[][] = [];
  for (const line of lines) {
    const group = groups.at(-1);
    if (group !== undefined && continues(group, line, advance)) group.push(line);
    else groups.push([line]);
  }
  return groups;
}

function continues(group: PdfLine[], line: PdfLine, advance: number): boolean {
  const previous = group.at(-1)!;
  if (line.page !== previous.page || line.angle !== previous.angle) return false;
  if (Math.abs(line.size - previous.size) > previous.size * 0.1) return false;
  if (BULLET.test(line.text) || NUMBERED.test(line.text)) return false;
  const drop = previous.baseline - line.baseline;
  // Up, or beside: the next column. A sentence may run on there.
  if (drop <= 0) return !/[.!?:。！？]["'”’)]?\s*$/.test(previous.text) && /^\p{Ll}/u.test(line.text);
  if (drop > advance * GAP_FACTOR * line.size) return false;
  if (endsInWord(previous) && /^\s*\p{Ll}/u.test(line.text)) return true;
  return !startsIndented(group, line) && !hasRoomFor(previous, group, line);
}

function endsInWord(line: PdfLine): boolean {
  return /\p{L}[-‐\u00ad]\s*$/u.test(line.text);
}

function startsIndented(group: PdfLine[], line: PdfLine): boolean {
  const previous = group.at(-1)!;
  // The second line of a hanging paragraph stands in, too; there the first line is full.
  return group.length > 1 && line.start - previous.start > INDENT * line.size && line.start < previous.end;
}

/** Whether the first word of a line would have fitted at the end of the one before, which then ended on purpose. */
function hasRoomFor(previous: PdfLine, group: PdfLine[], line: PdfLine): boolean {
  // The lines just before tell the margin; a page of one endless paragraph must not be measured over and over.
  const margin = Math.max(line.end, ...group.slice(-MARGIN_LINES).map(({ end }) => end));
  const charWidth = (line.end - line.start) / Math.max(1, line.text.trim().length);
  const wordChars = line.text.trim().split(/\s/)[0]?.length ?? 0;
  return previous.end + (wordChars + 2) * charWidth < margin;
}

function joinLines(group: PdfLine[], words: ReadonlySet<string>): string {
  let text = '';
  for (const line of group) text = text === '' ? line.text.trim() : joinLine(text, line.text.trim(), words);
  return text;
}

function joinLine(text: string, next: string, words: ReadonlySet<string>): string {
  if (text.endsWith('\u00ad')) return text.slice(0, -1) + next;
  const head = /[\p{L}\p{M}]+[-‐]$/u.exec(text.slice(-60))?.[0];
  const tail = /^\p{Ll}[\p{L}\p{M}]*/u.exec(next.slice(0, 60))?.[0];
  if (head !== undefined && tail !== undefined) {
    const joined = head.slice(0, -1) + tail;
    const keepsHyphen = !words.has(joined.toLowerCase()) && words.has(`${head.slice(0, -1)}-${tail}`.toLowerCase());
    return keepsHyphen ? text + next : text.slice(0, -1) + next;
  }
  // Scripts without blanks between words have none at line ends either.
  return isWideChar(text.at(-1)) && isWideChar(next[0]) ? text + next : `${text} ${next}`;
}

function isWideChar(char: string | undefined): boolean {
  return char !== undefined && /[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]/.test(char);
}

/** Words that are whole on a line, compounds with their hyphens, in lower case. */
function vocabularyOf(lines: PdfLine[]): Set<string> {
  const words = new Set<string>();
  for (const line of lines) {
    const text = endsInWord(line) ? line.text.slice(0, line.text.trimEnd().lastIndexOf(' ') + 1) : line.text;
    for (const [word] of text.matchAll(/[\p{L}\p{M}]+(?:[-‐][\p{L}\p{M}]+)*/gu)) {
      words.add(word.toLowerCase().replaceAll('‐', '-'));
    }
  }
  return words;
}

/** Most frequent distance of baselines, in font sizes. */
function usualAdvance(lines: PdfLine[]): number {
  const steps = lines.slice(1).map((line, index) => {
    const previous = lines[index]!;
    return { ratio: (previous.baseline - line.baseline) / line.size, text: line.text };
  });
  const near = steps.filter(({ ratio }) => ratio >= 0.9 && ratio <= 2.5);
  return mostFrequent(charsBy(near, ({ ratio }) => Math.round(ratio * 20) / 20)) ?? DEFAULT_ADVANCE;
}

/** Number of characters by a property of what holds them. */
function charsBy<T extends { text: string }>(values: T[], keyOf: (value: T) => number): Map<number, number> {
  const chars = new Map<number, number>();
  for (const value of values) chars.set(keyOf(value), (chars.get(keyOf(value)) ?? 0) + value.text.length);
  return chars;
}

function mostFrequent(chars: Map<number, number>): number | null {
  return [...chars].sort((a, b) => b[1] - a[1])[0]?.[0] ?? null;
}

function roundSize(size: number): number {
  return Math.round(size * 2) / 2;
}
