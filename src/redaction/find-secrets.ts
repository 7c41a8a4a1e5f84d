import type { Range } from './kinds.ts';
import { allMatches } from './scan.ts';

/** Forms by which services mark the keys they give out, from their documentation. Our own is `rag_`. */
const MARKED = [
  'rag_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}_[\\w-]{43}_[0-9a-f]{8}',
  '(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}',
  'gh[opsur]_[A-Za-z0-9]{36,251}',
  'github_pat_\\w{22,255}',
  'gl(?:pat|dt|rt|cbt|ptt|ft|soat)-[\\w-]{20,64}',
  'xox[abeoprs]-[\\w-]{10,250}',
  'xapp-\\d-[\\w-]{10,250}',
  '(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,250}',
  'whsec_[A-Za-z0-9+/=]{24,100}',
  'sk-(?:ant|proj|svcacct|admin|or)-[\\w-]{20,250}',
  'sk-[A-Za-z0-9]{32,64}',
  'AIza[\\w-]{35}',
  'ya29\\.[\\w-]{20,250}',
  'GOCSPX-[\\w-]{28}',
  'npm_[A-Za-z0-9]{36}',
  'pypi-AgE[\\w-]{50,250}',
  'SG\\.[\\w-]{16,64}\\.[\\w-]{16,64}',
  'hf_[A-Za-z0-9]{30,64}',
  'do[opr]_v1_[0-9a-f]{64}',
  'key-[0-9a-f]{32}',
  'shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}',
  'eyJ[\\w-]{10,4000}\\.eyJ[\\w-]{10,4000}(?:\\.[\\w-]{0,4000})?',
];
const MARKED_SECRET = new RegExp(`(?<![A-Za-z0-9_-])(?:${MARKED.join('|')})(?![A-Za-z0-9_-])`, 'g');

/** PEM (RFC 7468); one that is cut off lasts to the end of the text. */
const PEM_BEGINNING = /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----/g;
const PEM_END = '-----END ';

/** The password in `scheme://user:password@host`. */
const URL_PASSWORD = /:\/\/[^\s:/@]{0,128}:([^\s/@]{3,256})@/g;

const ASSIGNED =
  /(?:api[_ -]?key|access[_ -]?key|account[_ -]?key|secret[_ -]?key|client[_ -]?secret|secret|token|password|passwd|pwd|bearer|authorization|credentials?)["'`]{0,2}[ \t]{0,4}(?::|=>?|\bis\b|[ \t])[ \t]{0,4}(?:bearer |basic )?["'`]{0,2}([A-Za-z0-9_+/=.~!@#$%^&*-]{16,512})/gi;
/** Words and identifiers have about 3 bits a character, random base64 more than 4 and random hexadecimal 3.5 or so. */
const MIN_ENTROPY_BITS = 3.3;

/** Keys, tokens, private keys, and what looks random behind a word such as `api_key` or `password`. */
export function findSecrets(text: string): Range[] {
  return [
    ...allMatches(text, MARKED_SECRET).map((match) => ({ start: match.index, end: match.index + match[0].length })),
    ...findPrivateKeys(text),
    ...lastGroups(text, URL_PASSWORD),
    ...lastGroups(text, ASSIGNED).filter(({ start, end }) => looksRandom(text.slice(start, end))),
  ];
}

function findPrivateKeys(text: string): Range[] {
  const keys: Range[] = [];
  for (const { index } of allMatches(text, PEM_BEGINNING)) {
    if (index < (keys.at(-1)?.end ?? 0)) continue;
    const end = text.indexOf(PEM_END, index);
    const close = end === -1 ? -1 : text.indexOf('-----', end + PEM_END.length);
    keys.push({ start: index, end: close === -1 ? text.length : close + 5 });
  }
  return keys;
}

/** The first group of each match, which begins where the match less the group and its end does. */
function lastGroups(text: string, pattern: RegExp): Range[] {
  return allMatches(text, pattern).map((match) => {
    const start = match.index + match[0].lastIndexOf(match[1]!);
    return { start, end: start + match[1]!.length };
  });
}

/** Digits and letters mixed, and no word repeated: `your_api_key_goes_here` is not random. */
function looksRandom(value: string): boolean {
  return /\d/.test(value) && /[A-Za-z]/.test(value) && entropyBits(value) >= MIN_ENTROPY_BITS;
}

/** Shannon entropy of the characters, in bits a character. */
function entropyBits(value: string): number {
  const counts = new Map<string, number>();
  for (const char of value) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / value.length) * Math.log2(count / value.length);
  return bits;
}
