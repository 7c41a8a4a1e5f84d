import { stdnum } from 'stdnum';
import type { Range } from './kinds.ts';
import { allMatches, isPrecededBy } from './scan.ts';

/** A kind of number that a state gives to a person. */
interface NationalId {
  /** Country and validator in stdnum. */
  validator: [country: string, name: string];
  /** As it is written; bounded, and with the boundaries that `identity` adds. */
  pattern: RegExp;
  /**
   * Words before a number that make it one of these. Where they are given, a number without them is none: its form and
   * check digit are met by too many numbers that are something else.
   */
  context?: RegExp;
}

function identity(country: string, name: string, form: string, context?: RegExp): NationalId {
  const pattern = new RegExp(
    `(?<![\\p{Script=Latin}\\p{N}])(?<![\\p{N}][.,-])(?:${form})(?![\\p{Script=Latin}\\p{N}])(?![.,-][\\p{N}])`,
    'gu',
  );
  return { validator: [country, name], pattern, ...(context && { context }) };
}

/** Between the word and the number there may be a colon, a bracket, or a few words. */
function after(words: string): RegExp {
  return new RegExp(`(?:${words})`, 'i');
}

const NATIONAL_IDS: readonly NationalId[] = [
  // Formatted as nothing else is, or with letters and a check character.
  identity('US', 'ssn', '\\d{3}-\\d{2}-\\d{4}'),
  identity('GB', 'nino', '[A-CEGHJ-PR-TW-Za-z]{2} ?\\d{2} ?\\d{2} ?\\d{2} ?[A-Da-d]'),
  identity('FR', 'nir', '[12] ?\\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\\d) ?(?:\\d{2}|2[AB]) ?\\d{3} ?\\d{3} ?\\d{2}'),
  identity('ES', 'dni', '\\d{8}[ -]?[A-Za-z]'),
  identity('ES', 'nie', '[XYZxyz][ -]?\\d{7}[ -]?[A-Za-z]'),
  identity('IT', 'codicefiscale', '[A-Za-z]{6}\\d{2}[A-EHLMPR-Ta-ehlmpr-t]\\d{2}[A-Za-z]\\d{3}[A-Za-z]'),
  identity('CN', 'ric', '[1-9]\\d{5}(?:19|20)\\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\\d|3[01])\\d{3}[\\dXx]'),
  identity('TH', 'idnr', '[1-8]-\\d{4}-\\d{5}-\\d{2}-\\d|[1-8] \\d{4} \\d{5} \\d{2} \\d'),
  identity('IN', 'aadhaar', '[2-9]\\d{3} \\d{4} \\d{4}'),
  identity('IN', 'pan', '[A-Z]{3}[ABCFGHLJPT][A-Z]\\d{4}[A-Z]', after('\\bPAN\\b|permanent account')),
  identity('BR', 'cpf', '\\d{3}\\.\\d{3}\\.\\d{3}-\\d{2}'),
  identity('SE', 'personnummer', '(?:19|20)?\\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\\d|3[01])[-+]\\d{4}'),
  identity('FI', 'hetu', '(?:0[1-9]|[12]\\d|3[01])(?:0[1-9]|1[0-2])\\d{2}[-+A-FU-Y]\\d{3}[\\dA-Y]'),
  identity('KR', 'rrn', '\\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\\d|3[01])-[1-8]\\d{6}'),
  identity('CH', 'ssn', '756\\.\\d{4}\\.\\d{4}\\.\\d{2}'),
  identity('BE', 'nn', '\\d{2}\\.\\d{2}\\.\\d{2}-\\d{3}\\.\\d{2}'),
  identity('MX', 'curp', '[A-Z]{4}\\d{6}[HMX][A-Z]{5}[A-Z\\d]\\d'),
  identity('DE', 'idnr', '[1-9]\\d \\d{3} \\d{3} \\d{3}'),
  identity('CZ', 'rc', '\\d{2}[0-35-8]\\d[0-3]\\d/\\d{3,4}'),
  identity('HK', 'hkid', '[A-Z]{1,2}\\d{6}\\([\\dA]\\)'),

  // Bare digits.
  identity(
    'DE',
    'idnr',
    '[1-9]\\d{10}',
    after('steuer-?\\s?(?:id|identifikations|nr|nummer)|\\bidnr|\\btin\\b|tax\\s?id'),
  ),
  identity('US', 'ssn', '\\d{3}[ -]?\\d{2}[ -]?\\d{4}', after('\\bssn\\b|social security')),
  identity('NL', 'bsn', '\\d{9}|\\d{4}[. ]\\d{2}[. ]\\d{3}', after('\\bbsn\\b|burgerservice|sofinummer')),
  identity('TH', 'idnr', '[1-8]\\d{12}', after('บัตร|ประชาชน|citizen id|national id|\\bid (?:card|no|number)')),
  identity('IN', 'aadhaar', '[2-9]\\d{11}', after('aadha+r|आधार|\\buidai?\\b')),
  identity('BR', 'cpf', '\\d{11}', after('\\bcpf\\b')),
  identity('PL', 'pesel', '\\d{11}', after('\\bpesel\\b')),
  identity('NO', 'fodselsnummer', '\\d{6} ?\\d{5}', after('f[oø]dselsnummer|personnummer')),
  identity('DK', 'cpr', '\\d{6}-?\\d{4}', after('\\bcpr\\b|personnummer')),
  identity('CA', 'sin', '\\d{3}[ -]?\\d{3}[ -]?\\d{3}', after('\\bsin\\b|social insurance|\\bnas\\b')),
  identity('AU', 'tfn', '\\d{3} ?\\d{3} ?\\d{3}', after('\\btfn\\b|tax file')),
  identity('ZA', 'idnr', '\\d{13}', after('\\bid\\b|identity')),
  identity('TR', 'tckimlik', '[1-9]\\d{10}', after('kimlik|\\btckn\\b')),
  identity('RO', 'cnp', '[1-9]\\d{12}', after('\\bcnp\\b|cod(?:ul)? numeric')),
  identity('PT', 'nif', '\\d{9}|\\d{3} \\d{3} \\d{3}', after('\\bnif\\b|contribuinte')),
  identity('IE', 'pps', '\\d{7}[A-Za-z]{1,2}', after('\\bpps\\b|\\bppsn\\b')),
  identity('IL', 'idnr', '\\d{9}', after('תעודת זהות|teudat zehut')),
  identity('TW', 'natid', '[A-Z][1289]\\d{8}', after('身分證|身份證|national id')),
  identity('SE', 'personnummer', '\\d{10}|\\d{12}', after('personnummer')),
];

/** Numbers of persons whose check digit, where the country has one, is right. */
export function findNationalIds(text: string): Range[] {
  return NATIONAL_IDS.flatMap(({ validator: [country, name], pattern, context }) => {
    const { validate } = stdnum[country]![name]!;
    return allMatches(text, pattern)
      .filter((match) => context === undefined || isPrecededBy(text, match.index, context))
      .filter((match) => validate(match[0].toUpperCase()).isValid)
      .map((match) => ({ start: match.index, end: match.index + match[0].length }));
  });
}
