import { cutPoint, type TextRange, trimRange } from './text-cut.ts';

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

/** The segmenter is slow on long strings, so it sees windows; a sentence reaching over the end is read again. */
const WINDOW_CHARS = 2_000;
/** A line at least this long that ends in no mark was most likely wrapped by an editor, not ended by the author. */
const MIN_WRAPPED_LINE_CHARS = 60;
/** Thai writes a space between clauses, names and numbers alike: shorter runs are joined until they can stand alone. */
const MIN_UNPUNCTUATED_CHARS = 60;

/**
 * The sentences of a text: trimmed, never empty, in order, without overlap, together holding every non-blank character.
 * Follows UAX #29 with repairs: abbreviations, initials and numbering do not end a sentence; a wrapped line goes on in the
 * next; a blank line always ends one. Thai, Lao, Khmer and Burmese, which hardly use sentence marks, are cut at spaces.
 * Takes linear time.
 */
export function sentenceRanges(text: string): TextRange[] {
  const unwrapped = unwrapLines(text);
  const sentences = segmentedRanges(unwrapped);
  returnOpeningBrackets(unwrapped, sentences);
  const trimmed = sentences.map((range) => trimRange(text, range)).filter(({ start, end }) => start < end);
  const joined = joinFalseEnds(unwrapped, trimmed);
  return joined.flatMap((range) => splitAtSpaces(text, range));
}

/** Turns line breaks inside a sentence into spaces; the length stays, so offsets hold. */
function unwrapLines(text: string): string {
  let lineStart = 0;
  return text.replaceAll('\r', ' ').replace(/\n/g, (_, at: number) => {
    const isWrapped = wrapsInto(text.slice(lineStart, at), text.slice(at + 1, at + 3));
    lineStart = at + 1;
    return isWrapped ? ' ' : '\n';
  });
}

function wrapsInto(line: string, nextLineHead: string): boolean {
  if (line.trim() === '') return false;
  if (/^\p{Ll}/u.test(nextLineHead)) return true;
  return (
    line.length >= MIN_WRAPPED_LINE_CHARS &&
    !/[.!?…:。！？]\W*$/u.test(line.slice(-8)) &&
    /^[\p{L}\p{N}"'“„(]/u.test(nextLineHead)
  );
}

function segmentedRanges(text: string): TextRange[] {
  const ranges: TextRange[] = [];
  let sentenceStart = 0;
  for (let windowStart = 0; windowStart < text.length; ) {
    const windowEnd = cutPoint(text, windowStart, windowStart + WINDOW_CHARS);
    const segments = [...segmenter.segment(text.slice(windowStart, windowEnd))];
    const isLastWindow = windowEnd === text.length;
    const complete = isLastWindow ? segments : segments.slice(0, -1);
    for (const { index, segment } of complete) {
      const end = windowStart + index + segment.length;
      ranges.push({ start: sentenceStart, end });
      sentenceStart = end;
    }
    windowStart = isLastWindow || complete.length === 0 ? windowEnd : sentenceStart;
  }
  return ranges;
}

/** UAX #29 counts an opening bracket right after a full stop to the sentence before: `end.[3] Next`, `end.(See`. */
function returnOpeningBrackets(text: string, ranges: TextRange[]): void {
  for (let i = 0; i + 1 < ranges.length; i++) {
    const range = ranges[i]!;
    if (range.end - range.start < 2 || !'([{„«「『'.includes(text[range.end - 1]!)) continue;
    range.end -= 1;
    ranges[i + 1]!.start -= 1;
  }
}

function joinFalseEnds(text: string, ranges: readonly TextRange[]): TextRange[] {
  const joined: TextRange[] = [];
  for (const range of ranges) {
    const previous = joined.at(-1);
    if (previous && isFalseEnd(text, previous, range)) previous.end = range.end;
    else joined.push({ ...range });
  }
  return joined;
}

/** Long enough for any abbreviation or first word below. */
const CONTEXT_CHARS = 24;

function isFalseEnd(text: string, before: TextRange, after: TextRange): boolean {
  if (text[before.end - 1] !== '.' || text.slice(before.end, after.start).includes('\n')) return false;
  const tail = text.slice(Math.max(before.start, before.end - CONTEXT_CHARS), before.end);
  const nextWord = /^[\p{L}\p{M}\p{N}]+/u.exec(text.slice(after.start, after.start + CONTEXT_CHARS))?.[0] ?? '';
  if (/^\p{N}{1,3}\.$/u.test(tail) && before.end - before.start <= 4) return true;
  const lastWord = /([\p{L}\p{M}.]+)\.$/u.exec(tail)?.[1];
  if (lastWord !== undefined) {
    if (ABBREVIATIONS.has(lastWord.toLowerCase())) return true;
    // "z. B.", "p. 5", but not "900 m. Then".
    if (/^\p{Ll}$/u.test(lastWord)) return /^(?:\p{L}\.|\p{N})/u.test(text.slice(after.start, after.start + 3));
    return /(?:^|\.)\p{Lu}$/u.test(lastWord) && !SENTENCE_STARTERS.has(nextWord);
  }
  return /(?:^|\s)\p{N}{1,2}\.$/u.test(tail) && AFTER_GERMAN_ORDINALS.has(nextWord);
}

/** Without the last full stop. Those that often end a sentence too ("etc.", "Inc.", "usw.") are left out on purpose. */
const ABBREVIATIONS = new Set(
  (
    'mr mrs ms dr prof st rev hon gen col maj capt lt sgt sen rep gov pres messrs mme mlle vs cf e.g i.e viz al no nos ' +
    'fig figs eq eqs sec ch vol vols pp ed eds approx ca resp art dept est jan feb mar apr jun jul aug sep sept oct nov dec ' +
    'z.b d.h u.a i.d.r s.o s.u v.a bzw nr abs vgl bd hrsg hr fr tel inkl zzgl evtl ggf p.ex av sr sra dra sig ing'
  ).split(' '),
);

/** After a capital with a full stop ("in the U.S. The …"), these words begin a sentence; any other is part of a name. */
const SENTENCE_STARTERS = new Set(
  (
    'The This That These Those It Its He She They We You I A An In On At By For From With But And Or As If When While After ' +
    'Before However There Here His Her Their Our What Who How Why Where Is Are Was Were To Such Some Many Most All Each ' +
    'Der Die Das Es Er Sie Wir Ein Eine Im In Am Auf Bei Mit Aber Und Wenn Als Nach Dies Diese Dieser'
  ).split(' '),
);

/** "am 3. Oktober", "im 19. Jahrhundert": a German ordinal is a number with a full stop. */
const AFTER_GERMAN_ORDINALS = new Set(
  (
    'Januar Jänner Februar März April Mai Juni Juli August September Oktober November Dezember ' +
    'Jahrhundert Jahrhunderts Jahrhunderte Jahrtausend Jahrestag Geburtstag Auflage Klasse Tag Platz Mal Kapitel Artikel'
  ).split(' '),
);

const SPACE_BETWEEN_UNPUNCTUATED =
  /(?<=[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]) +(?=[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}])/gu;

function splitAtSpaces(text: string, range: TextRange): TextRange[] {
  if (range.end - range.start < 2 * MIN_UNPUNCTUATED_CHARS) return [range];
  const parts: TextRange[] = [];
  let { start } = range;
  for (const space of text.slice(range.start, range.end).matchAll(SPACE_BETWEEN_UNPUNCTUATED)) {
    const end = range.start + space.index;
    if (end - start < MIN_UNPUNCTUATED_CHARS) continue;
    parts.push({ start, end });
    start = end + space[0].length;
  }
  parts.push({ start, end: range.end });
  return parts;
}
