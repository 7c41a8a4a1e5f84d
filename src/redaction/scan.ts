/** Every match of a pattern with the flag `g`, which never matches nothing. `matchAll` copies the pattern for each text. */
export function allMatches(text: string, pattern: RegExp): RegExpExecArray[] {
  const matches: RegExpExecArray[] = [];
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) matches.push(match);
  return matches;
}

/** How far from a number the word may stand that says what it is. */
const CONTEXT_CHARS = 48;

/** Whether what stands before the place matches; the pattern sees a bounded stretch, which ends at the place. */
export function isPrecededBy(text: string, place: number, pattern: RegExp): boolean {
  return pattern.test(text.slice(Math.max(0, place - CONTEXT_CHARS), place));
}

export function isFollowedBy(text: string, place: number, pattern: RegExp): boolean {
  return pattern.test(text.slice(place, place + CONTEXT_CHARS));
}
