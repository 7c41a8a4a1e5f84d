import { STOP_WORDS } from '../base/stop-words.ts';
import { wordsOf } from '../base/words.ts';

/**
 * The distinct words of a text that say what it is about: without stop words, accents and the commonest English endings,
 * so that words of a question and of a passage can be compared. Not for display.
 */
export function contentWords(text: string): Set<string> {
  const content = wordsOf(text)
    .filter((word) => !STOP_WORDS.has(word))
    .flatMap(partsOf)
    .filter((part) => !STOP_WORDS.has(part) && !isSingleLetter(part));
  return new Set(content.map(stem));
}

/** `err_404` is found by `404`, and `l’eau` by `eau`; numbers such as 3.14 stay whole. */
function partsOf(word: string): string[] {
  return /^\p{N}/u.test(word) ? [word] : word.split(/[^\p{L}\p{N}\p{M}]+/u).filter((part) => part !== '');
}

/** What elisions leave over ("l’", "’s"); a single Chinese character is a word. */
function isSingleLetter(part: string): boolean {
  return /^[\p{Script=Latin}\p{Script=Cyrillic}]$/u.test(part);
}

/** Over-stemming is harmless here, since words are only compared with each other. */
function stem(word: string): string {
  if (!/^\p{Script=Latin}/u.test(word)) return word;
  const plain = word.normalize('NFD').replace(/\p{M}/gu, '');
  return withoutVerbEnding(withoutPlural(plain)).replace(/(?<=[a-z]{3})(?:e|ly)$/, '');
}

function withoutPlural(word: string): string {
  if (word.length < 4) return word;
  if (word.endsWith('ies')) return `${word.slice(0, -3)}y`;
  if (/(?:ss|x|z|ch|sh)es$/.test(word)) return word.slice(0, -2);
  return /[^siu]s$/.test(word) ? word.slice(0, -1) : word;
}

function withoutVerbEnding(word: string): string {
  const [, root] = /^([a-z]*[aeiouy][a-z]*)(?:ing|ed)$/.exec(word) ?? [];
  if (root === undefined || root.length < 3) return word;
  return /([b-df-hj-kmnp-rtv-y])\1$/.test(root) ? root.slice(0, -1) : root;
}
