import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { findPersonalData } from './find-personal-data.ts';
import type { Finding } from './kinds.ts';

interface LabelledText {
  id: string;
  text: string;
  spans: Finding[];
}

const LABELLED: LabelledText[] = readFileSync(join(import.meta.dirname, '../../eval/pii/texts.jsonl'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));

test.each(LABELLED)('what is marked in $id is found, and nothing else', ({ text, spans }) => {
  const shown = (findings: readonly Finding[]) =>
    findings.map(({ kind, start, end }) => `${kind}: ${text.slice(start, end)}`);
  expect(shown(findPersonalData(text))).toEqual(shown(spans));
});

describe('a value', () => {
  test('is found in the digits and widths of other scripts', () => {
    expect(findPersonalData('メール：ｔａｎａｋａ＠ｅｘａｍｐｌｅ．ｊｐ').map(({ kind }) => kind)).toEqual(['email']);
    expect(findPersonalData('هاتف: +٤٩ ٣٠ ٩٠١٨٢٠').map(({ kind }) => kind)).toEqual(['phone']);
  });

  test('is known by the column it stands in', () => {
    expect(findPersonalData('111222333')).toEqual([]);
    expect(findPersonalData('111222333', 'BSN')).toEqual([{ kind: 'national_id', start: 0, end: 9 }]);
    expect(findPersonalData('nothing 12', 'a@example.org')).toEqual([]);
  });

  test('that two kinds claim is one of the kind that says more, whole', () => {
    const text = 'https://ada:Passw0rd99@example.org/x';
    expect(findPersonalData(text)).toEqual([{ kind: 'secret', start: 12, end: text.indexOf('/x') }]);
  });

  test('of a private key that is cut off lasts to the end', () => {
    const text = 'key\n-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADAN';
    expect(findPersonalData(text)).toEqual([{ kind: 'secret', start: 4, end: text.length }]);
  });
});

/** Texts that make careless patterns begin again and again. */
const HOSTILE: Record<string, (length: number) => string> = {
  'one letter': (n) => 'a'.repeat(n),
  'one digit': (n) => '1'.repeat(n),
  'digits apart': (n) => '1 '.repeat(n / 2),
  'digits with dashes': (n) => '1-'.repeat(n / 2),
  'at signs': (n) => 'a@'.repeat(n / 2),
  'a domain without end': (n) => `a@${'a.'.repeat(n / 2)}`,
  colons: (n) => 'a:'.repeat(n / 2),
  'hexadecimal groups': (n) => 'abcd:1234:'.repeat(n / 10),
  'beginnings of tokens': (n) => 'eyJaaaaaaaaaaa.'.repeat(n / 15),
  'a token without end': (n) => `eyJ${'a'.repeat(n)}`,
  'beginnings of keys': (n) => '-----BEGIN PRIVATE KEY-----\n'.repeat(n / 28),
  'ends that do not close': (n) => `-----BEGIN PRIVATE KEY-----${'-----END '.repeat(n / 9)}`,
  'words before secrets': (n) => 'password: '.repeat(n / 10),
  'addresses with users': (n) => '://a:bbb'.repeat(n / 8),
  'nearly IBANs': (n) => 'DE89 3704 0044 0532 0130 01 '.repeat(n / 28),
  'nearly cards': (n) => '4111 1111 1111 1112 '.repeat(n / 20),
  blanks: (n) => ' '.repeat(n),
};

/** Squared it would be minutes for each of them, linear it is some seconds for all. */
const HOSTILE_CHARS = 200_000;
const BOUND_MS = 60_000;

test(
  'no text takes a time that grows faster than its length',
  async () => {
    const texts = Object.values(HOSTILE).map((textOf) => textOf(HOSTILE_CHARS));
    const module = join(import.meta.dirname, 'find-personal-data.ts');
    // A pattern that has run away cannot be stopped but with its process.
    const search = `import { findPersonalData } from ${JSON.stringify(module)};
      process.once('message', (texts) => process.send(texts.map((text) => findPersonalData(text).length)));`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', search], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.send(texts);
    const answer = await once(child, 'message', { signal: AbortSignal.timeout(BOUND_MS) }).finally(() => child.kill());
    expect(answer[0]).toHaveLength(texts.length);
  },
  BOUND_MS + 10_000,
);
