import { getCountrySpecifications, isValidIBAN } from 'ibantools';
import type { Range } from './kinds.ts';
import { allMatches } from './scan.ts';

/** ISO 13616: country, two check digits, at most 30 more characters, often in groups of four. */
const IBAN_BEGINNING = /(?<![A-Za-z0-9])[A-Za-z]{2}[ -]?\d{2}(?=[ -]?[A-Za-z0-9])/g;
const IBAN_LENGTHS = new Map(
  Object.entries(getCountrySpecifications()).map(([country, { chars }]) => [country, chars ?? 0]),
);

/** IBANs with the length of their country and right check digits, in groups or not, in any case. */
export function findIbans(text: string): Range[] {
  return allMatches(text, IBAN_BEGINNING).flatMap(({ index }) => {
    const length = IBAN_LENGTHS.get(text.slice(index, index + 2).toUpperCase()) ?? 0;
    const end = length === 0 ? null : endOfCharacters(text, index, length);
    if (
      end === null ||
      !isValidIBAN(
        text
          .slice(index, end)
          .replace(/[ \n-]/g, '')
          .toUpperCase(),
      )
    )
      return [];
    return [{ start: index, end }];
  });
}

/** Where `count` letters and digits end, with at most one separator between any two; null where a word goes on or ends before. */
function endOfCharacters(text: string, start: number, count: number): number | null {
  let at = start;
  for (let left = count; left > 0; at++) {
    if (isAlphanumeric(text, at)) left--;
    else if (!' -\n'.includes(text[at] ?? 'x') || !isAlphanumeric(text, at + 1)) return null;
  }
  return isAlphanumeric(text, at) ? null : at;
}

function isAlphanumeric(text: string, at: number): boolean {
  return /[A-Za-z0-9]/.test(text[at] ?? '');
}

const CARD = /(?<![\w.-])\d(?:[ \n-]?\d){11,18}(?![\w-])/g;

/** ISO/IEC 7812 prefixes of the networks, with the lengths each of them issues. */
const NETWORKS: readonly { prefix: RegExp; lengths: readonly number[] }[] = [
  { prefix: /^4/, lengths: [13, 16, 19] },
  { prefix: /^(5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] },
  { prefix: /^3[47]/, lengths: [15] },
  { prefix: /^(6011|64[4-9]|65)/, lengths: [16, 19] },
  { prefix: /^35(2[89]|[3-8])/, lengths: [16, 19] },
  { prefix: /^(2131|1800)/, lengths: [15] },
  { prefix: /^(30[0-5]|309|36|3[89])/, lengths: [14, 16, 19] },
  { prefix: /^62/, lengths: [16, 17, 18, 19] },
  { prefix: /^(50|5[6-9]|6[0-9])/, lengths: [12, 13, 15, 16, 18, 19] },
];

/** Numbers of the known networks whose Luhn digit is right. */
export function findCards(text: string): Range[] {
  return allMatches(text, CARD).flatMap((match) => {
    const digits = match[0].replace(/\D/g, '');
    const isIssued = NETWORKS.some(({ prefix, lengths }) => lengths.includes(digits.length) && prefix.test(digits));
    return isIssued && passesLuhn(digits) ? [{ start: match.index, end: match.index + match[0].length }] : [];
  });
}

function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let place = 0; place < digits.length; place++) {
    const digit = Number(digits[digits.length - 1 - place]);
    const weighted = place % 2 === 0 ? digit : 2 * digit;
    sum += weighted > 9 ? weighted - 9 : weighted;
  }
  return sum % 10 === 0;
}
