import type { Range } from './kinds.ts';
import { allMatches } from './scan.ts';

/** RFC 5321 bounds both sides, to 64 and 253 characters. Letters of any script: addresses may be international. */
const ADDRESS =
  /(?<![\p{L}\p{N}._%+'-])[\p{L}\p{N}._%+'-]{1,64}@((?:[\p{L}\p{N}-]{1,63}\.){1,10}\p{L}[\p{L}\p{N}-]{1,62})/gu;

export function findEmails(text: string): Range[] {
  if (!text.includes('@')) return [];
  return allMatches(text, ADDRESS).map((match) => {
    // What quotes an address, or ends a list item before it, is none of it.
    const leading = /^['.%+-]*/.exec(match[0])![0].length;
    return { start: match.index + leading, end: match.index + match[0].length };
  });
}
