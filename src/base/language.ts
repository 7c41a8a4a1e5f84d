/** Enough for any language; more only costs time. Characters are UTF-16 code units. */
const SAMPLE_CHARS = 3_000;
/** Where the samples of a long text begin, as shares of it: title pages and reference lists are names, not language. */
const SAMPLE_PLACES = [0.15, 0.45, 0.75];
/** Below this the letters of a shared script say little: "Hello" is taken for Italian. */
const MIN_LETTERS = 20;
/** A second language as close as this makes the first a guess. */
const MIN_LEAD = 0.01;

/**
 * The language that most of a text is in, as ISO 639-1, or null when the text is short or the guess unsure. Judges a
 * few thousand characters from within. Scripts that only one common language uses are recognised in texts of any length.
 */
export async function detectLanguage(text: string): Promise<string | null> {
  const sample = sampleOf(text);
  const letters = sample.match(/\p{L}/gu)?.length ?? 0;
  if (letters === 0) return null;
  return languageOfScript(sample, letters) ?? (letters < MIN_LETTERS ? null : guess(sample));
}

function sampleOf(text: string): string {
  if (text.length <= SAMPLE_CHARS) return text.toWellFormed();
  const length = SAMPLE_CHARS / SAMPLE_PLACES.length;
  const starts = SAMPLE_PLACES.map((share) => Math.floor((text.length - length) * share));
  return starts.map((start) => text.slice(start, start + length).toWellFormed()).join('\n');
}

/** What share of the letters must be in a script for the text to be in its language. */
const MIN_SCRIPT_SHARE = 0.5;
/** Japanese mixes kana with Chinese characters; Chinese has none. */
const MIN_KANA_SHARE = 0.1;

const LANGUAGE_OF_SCRIPT: readonly (readonly [language: string, script: RegExp])[] = [
  ['th', /\p{Script=Thai}/gu],
  ['ko', /\p{Script=Hangul}/gu],
  ['el', /\p{Script=Greek}/gu],
  ['he', /\p{Script=Hebrew}/gu],
  ['ka', /\p{Script=Georgian}/gu],
  ['hy', /\p{Script=Armenian}/gu],
  ['lo', /\p{Script=Lao}/gu],
  ['km', /\p{Script=Khmer}/gu],
  ['my', /\p{Script=Myanmar}/gu],
  ['ta', /\p{Script=Tamil}/gu],
  ['te', /\p{Script=Telugu}/gu],
  ['kn', /\p{Script=Kannada}/gu],
  ['ml', /\p{Script=Malayalam}/gu],
  ['gu', /\p{Script=Gujarati}/gu],
  ['pa', /\p{Script=Gurmukhi}/gu],
  ['si', /\p{Script=Sinhala}/gu],
];

function languageOfScript(sample: string, letters: number): string | null {
  const share = (script: RegExp) => (sample.match(script)?.filter((char) => /\p{L}/u.test(char)).length ?? 0) / letters;
  const kana = share(/[\p{Script=Hiragana}\p{Script=Katakana}]/gu);
  const han = share(/\p{Script=Han}/gu);
  if (kana + han >= MIN_SCRIPT_SHARE) return kana >= MIN_KANA_SHARE ? 'ja' : 'zh';
  return LANGUAGE_OF_SCRIPT.find(([, script]) => share(script) >= MIN_SCRIPT_SHARE)?.[0] ?? null;
}

async function guess(sample: string): Promise<string | null> {
  // Loaded when first needed: its tables take 0.3 s and 90 MB, which a process that ingests nothing need not spend.
  const { eld } = await import('eld/extrasmall');
  const result = eld.detect(sample);
  if (!result.isReliable()) return null;
  const [first = 0, second = 0] = Object.values(result.getScores()).sort((a, b) => b - a);
  return first - second >= MIN_LEAD ? result.language : null;
}
