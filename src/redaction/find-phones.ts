import { type CountryCode, parsePhoneNumberFromString } from 'libphonenumber-js/max';
import type { Range } from './kinds.ts';
import { allMatches, isFollowedBy, isPrecededBy } from './scan.ts';

/** Seven to fifteen digits (ITU-T E.164) with up to three signs between two of them, and an extension. */
const CANDIDATE =
  /(?<![\p{Script=Latin}\p{N}_.,/#$€£%+=-])(?<!\p{N}:)(?:\+|\(\+?)?\d(?:[ ()./-]{0,3}\d){6,16}(?: ?(?:x|ext\.?|#) ?\d{1,6})?(?![\p{Script=Latin}\p{N}_%])(?![.,:/-]\d)/giu;
const INTERNATIONAL = /^\(?(?:\+|00|001|011)/;

/** Words that say a number is one to call, in the languages of the regions below. */
const CALLED =
  /(?:phone|tel|call|mobile|mob|cell|fax|whats\s?app|sms|text me|dial|contact|hotline|reach|ring|desk|office|messages to|registered|telefon|handy|mobil|anruf|rufnummer|durchwahl|téléphone|portable|appel|joindre|teléfono|móvil|ll[aá]m|celular|cellulare|chiama|telefoon|bel |โทร|มือถือ|电话|電話|手机|携帯|전화|फ़ोन|फोन|телефон|тел\.?|☎|📞)[^\d]{0,24}$/iu;

/** The word stands right before the number: then any number will do, valid or not. */
const NAMED =
  /(?:phone|tel|call|mobile|cell|fax|hotline|telefon|handy|téléphone|teléfono|cellulare|telefoon|โทร|电话|電話|手机|телефон|тел)\.?(?: ?(?:no|nr|n°|number|nummer)\.?)?(?: is)?[\s:]{1,3}$/iu;
const NAMED_BEHIND = /^[ -]{0,2}(?:office|mobile|cell|home|work|fax|phone)\b/i;

/** Where a number without a country code may be one: each try costs some microseconds. */
const REGIONS: readonly CountryCode[] = [
  'US',
  'GB',
  'DE',
  'FR',
  'IT',
  'ES',
  'NL',
  'BE',
  'CH',
  'AT',
  'PT',
  'SE',
  'NO',
  'DK',
  'FI',
  'PL',
  'AU',
  'IN',
  'TH',
  'CN',
  'JP',
  'KR',
  'BR',
  'MX',
];
/** Whose national numbers, in the forms below, are taken for numbers to call without a word that says so. */
const WRITTEN_PLAINLY: readonly [form: RegExp, regions: readonly CountryCode[]][] = [
  [/^(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?: ?(?:x|ext|#).*)?$/i, ['US', 'MX']],
  [/^0\d(?:[ .-]\d{2}){4}$/, ['FR']],
  [/^\(?0\d{2,4}\)?[ /-]{1,3}\d{3,4}[ -]?\d{3,5}$/, ['GB', 'DE', 'AT', 'TH', 'IT', 'NL', 'CH']],
  [/^\(?0\d{1,3}\)?[ -]\d{3,4}[ -]\d{3,4}$/, ['JP', 'TH', 'GB', 'KR', 'AU']],
  [/^\(?0\d\)? \d{4} \d{4}$/, ['AU']],
  [/^1[3-9]\d[ -]\d{4}[ -]\d{4}$/, ['CN']],
  [/^\(\d{2}\) 9?\d{4}-\d{4}$/, ['BR']],
];

/**
 * Telephone numbers: with a country code, in a form that is used for nothing else, or behind a word such as "phone". Those
 * without a country code must be valid in one of the regions.
 */
export function findPhones(text: string): Range[] {
  return allMatches(text, CANDIDATE).flatMap((match) => {
    const start = match.index;
    return isPhone(text, start, match[0]) ? [{ start, end: start + match[0].length }] : [];
  });
}

function isPhone(text: string, start: number, candidate: string): boolean {
  if (isDate(candidate)) return false;
  if (INTERNATIONAL.test(candidate)) return isInternational(candidate);
  if (WRITTEN_PLAINLY.some(([form, regions]) => form.test(candidate) && isValidIn(candidate, regions))) return true;
  if (isPrecededBy(text, start, NAMED)) return true;
  const isCalled = isPrecededBy(text, start, CALLED) || isFollowedBy(text, start + candidate.length, NAMED_BEHIND);
  return isCalled && isValidIn(candidate, REGIONS);
}

/** A country code says enough: invented and newly given numbers need not be valid. */
function isInternational(candidate: string): boolean {
  const withPlus = candidate.replace(/^\(?(?:\+|011|00)/, '+').replace('(0)', '');
  return parsePhoneNumberFromString(withPlus)?.isPossible() ?? false;
}

function isValidIn(candidate: string, regions: readonly CountryCode[]): boolean {
  return regions.some((region) => parsePhoneNumberFromString(candidate, region)?.isValid() ?? false);
}

function isDate(candidate: string): boolean {
  return /^(?:(?:19|20)\d{2}[ ./-]\d{1,2}[ ./-]\d{1,2}|\d{1,2}[ ./-]\d{1,2}[ ./-](?:19|20)\d{2})(?!\d)/.test(candidate);
}
