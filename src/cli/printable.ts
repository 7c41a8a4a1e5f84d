/**
 * Characters that make a terminal do something instead of showing something: control characters, and those that reorder or
 * break the text around them, so that a title could pass for another line or another name.
 */
const ACTIVE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** A text of others, safe to be shown on a terminal; line feeds and tabs stay. */
export function printable(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replace(ACTIVE, (character) => (character === '\n' || character === '\t' ? character : '\ufffd'))
    .toWellFormed();
}

/** The same on one line. */
export function printableLine(text: string): string {
  return printable(text.replace(/\s+/gu, ' ').trim());
}

/** JSON on one line that is safe on a terminal too: what JSON lets through raw is escaped. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(
    ACTIVE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
