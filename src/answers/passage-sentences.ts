import { sentenceRanges } from '../base/sentences.ts';
import { type TextRange, trimRange } from '../base/text-cut.ts';
import { contentWords } from './content-words.ts';
import type { Passage } from './passage.ts';

export interface PassageSentence {
  passage: Passage;
  /** Verbatim text of the passage. */
  text: string;
  /** 0-based position in the passage. */
  position: number;
  words: ReadonlySet<string>;
  /** A heading, a question or the header of a table: says what follows, and is no answer itself. */
  isLeadIn: boolean;
  /** Content words of the lead-in above, `[]` when there is none. */
  leadInWords: ReadonlySet<string>;
}

/** The sentences of all passages of an answer, and how much each word tells them apart. */
export interface PassageSentences {
  all: readonly PassageSentence[];
  of(passageNumber: number): readonly PassageSentence[];
  /** Inverse document frequency over the sentences, > 0. */
  weightOf(word: string): number;
}

export function indexSentences(passages: readonly Passage[]): PassageSentences {
  const all = passages.flatMap(sentencesOfPassage);
  const byNumber = Map.groupBy(all, (sentence) => sentence.passage.number);
  const frequency = new Map<string, number>();
  for (const { words } of all) {
    for (const word of words) frequency.set(word, (frequency.get(word) ?? 0) + 1);
  }
  return {
    all,
    of: (number) => byNumber.get(number) ?? [],
    weightOf: (word) => Math.log(1 + all.length / (frequency.get(word) ?? 1)),
  };
}

/** Summed weight of the words that both have; 0 when they share none. */
export function sharedWeight(
  sentences: PassageSentences,
  words: ReadonlySet<string>,
  others: ReadonlySet<string>,
): number {
  let sum = 0;
  for (const word of words) if (others.has(word)) sum += sentences.weightOf(word);
  return sum;
}

const NO_WORDS: ReadonlySet<string> = new Set();
/** Longer lines without a full stop are text whose full stop is missing. */
const MAX_HEADING_CHARS = 100;

function sentencesOfPassage(passage: Passage): PassageSentence[] {
  let leadInWords = NO_WORDS;
  const texts = rowsAndSentences(passage.text).map((range) => ({ ...range, text: textOf(passage, range) }));
  return texts.map(({ start, end, text }, position) => {
    const words = contentWords(text);
    const isTableHeader = isRow(text) && !isRow(texts[position - 1]?.text) && isRow(texts[position + 1]?.text);
    const isLeadIn = isTableHeader || isQuestion(text) || isHeadingLine(passage.text, start, end);
    const sentence = { passage, text, position, words, isLeadIn, leadInWords: isLeadIn ? NO_WORDS : leadInWords };
    if (isLeadIn) leadInWords = words;
    return sentence;
  });
}

function textOf(passage: Passage, range: TextRange): string {
  return passage.text.slice(range.start, range.end);
}

/** As tables are written in the canonical text: cells parted by bars. */
function isRow(text: string | undefined): boolean {
  return text?.includes(' | ') === true;
}

/** A table has no full stops: its rows are what can be quoted. */
function rowsAndSentences(text: string): TextRange[] {
  return sentenceRanges(text).flatMap((range) => {
    if (!/ \| .*\n/.test(text.slice(range.start, range.end))) return [range];
    const rows: TextRange[] = [];
    for (let start = range.start; start < range.end; ) {
      const lineEnd = text.indexOf('\n', start);
      const end = lineEnd === -1 || lineEnd > range.end ? range.end : lineEnd;
      const row = trimRange(text, { start, end });
      if (row.end > row.start) rows.push(row);
      start = end + 1;
    }
    return rows;
  });
}

function isQuestion(text: string): boolean {
  return /[?？]["'”’»」』)]*$/.test(text);
}

/** A short line between blank lines that neither ends as sentences do nor holds a pair of name and value. */
function isHeadingLine(text: string, start: number, end: number): boolean {
  const line = text.slice(start, end);
  if (line.length > MAX_HEADING_CHARS || /[.!…。！:：|;]/.test(line.slice(1))) return false;
  const after = text.slice(end, end + 8);
  // A last line without a full stop is no sign of a heading where nobody writes one.
  const isLast = after.trim() === '' && !UNPUNCTUATED_SCRIPT.test(line);
  return /(?:^|\n)[ \t]*$/.test(text.slice(Math.max(0, start - 8), start)) && (isLast || /^[ \t]*\n\s*\n/.test(after));
}

const UNPUNCTUATED_SCRIPT = /[\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
