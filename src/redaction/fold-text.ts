/** First digits of the scripts whose digits people write numbers with. */
const ZEROS = [0x0660, 0x06f0, 0x0966, 0x09e6, 0x0e50, 0xff10];
const FOLDED = new Map<string, string>([
  ...ZEROS.flatMap((zero) =>
    Array.from({ length: 10 }, (_, digit) => [String.fromCharCode(zero + digit), `${digit}`] as const),
  ),
  // Full-width Latin letters and signs, of which U+FF10 to U+FF19 are the digits above.
  ...Array.from({ length: 94 }, (_, at) => [String.fromCharCode(0xff01 + at), String.fromCharCode(0x21 + at)] as const),
  ...[...'\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000\t'].map(
    (space) => [space, ' '] as const,
  ),
  ...[...'\u2010\u2011\u2012\u2013\u2014\u2212\ufe63'].map((dash) => [dash, '-'] as const),
]);
const TO_FOLD = new RegExp(`[${[...FOLDED.keys()].join('').replace(/[\\\]^-]/g, '\\$&')}]`, 'g');

/**
 * The text with the digits, spaces and dashes of other scripts and of typesetters as ASCII. Of the same length, so that
 * ranges found in it are ranges of the text.
 */
export function foldText(text: string): string {
  return text.replace(TO_FOLD, (char) => FOLDED.get(char)!);
}
