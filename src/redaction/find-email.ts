import type { Range } from './kinds.ts';
import { allMatches } from './scan.ts';

/** Scripts that part words by blanks: in the others an address cannot be told from the words around it by its letters. */
const LETTERS = ['Latin', 'Greek', 'Cyrillic', 'Arabic', 'Hebrew', 'Devanagari']
  .map((script) => `\\p{Script=${script}}`)
  .join('');
const LOCAL = `[${LETTERS}\\p{N}._%+'-]`;
/** RFC 5321 bounds both sides, to 64 and 253 characters. */
const ADDRESS = new RegExp(
  `(?<!${LOCAL})${LOCAL}{1,64}@(?:[${LETTERS}\\p{N}-]{1,63}\\.){1,10}[${LETTERS}][${LETTERS}\\p{N}-]{1,62}`,
  'gu',
);

export function findEmails(text: string): Range[] {
  if (!text.includes('@')) return [];
  return allMatches(text, ADDRESS).map((match) => {
    // What quotes an address, or ends a list item before it, is none of it.
    const leading = /^['.%+-]*/.exec(match[0])![0].length;
    return { start: match.index + leading, end: match.index + match[0].length };
  });
}
