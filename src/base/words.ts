import { cutPoint } from './text-cut.ts';

/** Fixed, so that text and query are cut alike whatever machine indexes and whatever machine asks. */
const segmenter = new Intl.Segmenter('en', { granularity: 'word' });

/** The segmenter takes more than linear time on long strings of scripts without spaces. */
const WINDOW_CHARS = 1_000;
/** Bounds the work that one query can cause. */
const MAX_QUERY_WORDS = 64;

/**
 * Text for the keyword index: its words, lower case, with single spaces between them, also for Thai, Chinese and Japanese.
 * Made for FTS5 with `porter unicode61` and `categories 'L* N* Co Mn Mc'`, which folds diacritics itself and cuts what is
 * left: `ERR_404` and `foo.bar` stay one word here and become the tokens `err 404` and `foo bar` there, so that a query
 * finds them whole (as a phrase) and by part. Measured nDCG@10 without this: Thai .24 (with it .97), Chinese .11 (.96).
 */
export function segmentWords(text: string): string {
  return wordsOf(text).join(' ');
}

/** The words of a text as `segmentWords` cuts them, in order, repeated as often as they occur. */
export function wordsOf(text: string): string[] {
  const normal = normalise(text);
  const words: string[] = [];
  for (let start = 0; start < normal.length; ) {
    const end = cutPoint(normal, start, start + WINDOW_CHARS);
    for (const { segment } of segmenter.segment(normal.slice(start, end))) {
      if (HAS_TOKEN.test(segment)) words.push(segment);
    }
    start = end;
  }
  return words;
}

/** The distinct words of a query in order of appearance, the first 64 at most; `[]` when it has none. */
export function queryWords(query: string): string[] {
  return [...new Set(wordsOf(query))].slice(0, MAX_QUERY_WORDS);
}

/** Letters, digits and private use; a lone mark, such as the selector of an emoji, would be a token without meaning. */
const HAS_TOKEN = /[\p{L}\p{N}\p{Co}]/u;

/**
 * NFKC makes full-width letters, half-width kana and ligatures findable. It would also take apart the Thai and Lao vowel AM,
 * which the segmenter's dictionary knows only in one piece, so that one is put together instead.
 */
function normalise(text: string): string {
  return text
    .replace(/\u0e4d([\u0e48-\u0e4b]?)\u0e32/g, '$1\u0e33')
    .replace(/\u0ecd([\u0ec8-\u0ecb]?)\u0eb2/g, '$1\u0eb3')
    .replace(/[^\u0e33\u0eb3]+/g, (run) => run.normalize('NFKC'))
    .toLowerCase();
}
