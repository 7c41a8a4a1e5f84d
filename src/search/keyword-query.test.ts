import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { segmentWords } from '../base/words.ts';
import { toFtsTerms } from './keyword-query.ts';

const TEXTS = [
  'Fuel cells turn hydrogen into electricity.',
  'Der Fehler ERR_404 kommt aus foo.bar im Modul.',
  'กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย',
  '北京是中华人民共和国的首都。',
  '東京は日本の首都です。',
  'The cell of a prison has no fuel.',
];

let database: DatabaseSync;
beforeAll(() => {
  database = new DatabaseSync(':memory:');
  database.exec(
    `CREATE VIRTUAL TABLE passages USING fts5(txt, acl, tokenize = "porter unicode61 categories 'L* N* Co Mn Mc'")`,
  );
  const insert = database.prepare('INSERT INTO passages (rowid, txt, acl) VALUES (?, ?, ?)');
  TEXTS.forEach((text, index) => {
    insert.run(index, segmentWords(text), 'secret');
  });
});
afterAll(() => database.close());

function search(query: string): number[] {
  const terms = toFtsTerms(query);
  if (terms.length === 0) return [];
  const rows = database
    .prepare('SELECT rowid AS id FROM passages WHERE passages MATCH ? ORDER BY bm25(passages)')
    .all(`txt:(${terms.join(' OR ')})`);
  return rows.map((row) => row.id as number);
}

describe('finds', () => {
  test.each([
    ['any of the words', 'hydrogen submarine', [0]],
    ['other forms of English words', 'electric cell', [0, 5]],
    ['an identifier whole', 'ERR_404', [1]],
    ['an identifier by part', '404', [1]],
    ['a dotted name', 'foo.bar', [1]],
    ['Thai', 'เมืองหลวง', [2]],
    ['Chinese', '首都', [3, 4]],
    ['Japanese', '日本', [4]],
  ])('%s', (_, query, expected) => {
    expect(search(query).toSorted()).toEqual(expected);
  });

  test('a phrase in quotes only as a phrase', () => {
    expect(search('"fuel cells"')).toEqual([0]);
    expect(search('“fuel cells”')).toEqual([0]);
    expect(search('"เป็นเมืองหลวง"')).toEqual([2]);
    expect(search('fuel cells').toSorted()).toEqual([0, 5]);
  });
});

describe('the terms', () => {
  test('are quoted words', () => {
    expect(toFtsTerms('Fuel AND cell')).toEqual(['"fuel"', '"and"', '"cell"']);
  });

  test('have stop words in short queries and none in long ones', () => {
    expect(toFtsTerms('to be or not to be')).toEqual(['"to"', '"be"', '"or"', '"not"']);
    const long = 'what are the similarity laws that must be obeyed when constructing models of heated aircraft';
    const content = ['similarity', 'laws', 'obeyed', 'constructing', 'models', 'heated', 'aircraft'];
    expect(toFtsTerms(long)).toEqual(content.map((word) => `"${word}"`));
  });

  test('have stop words when nothing else is left', () => {
    expect(toFtsTerms('a about above after again against all also am an and any are as')).toContain('"about"');
  });

  test('leave out what stands behind 8,000 characters', () => {
    expect(toFtsTerms(`${'a '.repeat(4_000)}b`)).toEqual(['"a"']);
  });

  test('are none for a query without words', () => {
    for (const query of ['', ' ', '?!', '""', '"', '❤️', '"***"']) expect(toFtsTerms(query)).toEqual([]);
  });
});

describe('no query', () => {
  const hostile = fc.constantFrom(
    '"',
    '""',
    "'",
    '*',
    '^',
    '(',
    ')',
    ':',
    '-',
    '+',
    'NEAR(',
    ' AND ',
    ' OR ',
    ' NOT ',
    'acl:',
    '{txt acl}:',
    '\0',
    ';',
    '--',
    'ש"ח',
    '\ud800',
    '“',
    'secret ',
  );
  const query = fc
    .array(fc.oneof(hostile, fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' })))
    .map((parts) => parts.join(''));

  test('is a syntax error or reaches another column', () => {
    fc.assert(
      fc.property(query, (text) => {
        expect(search(text).every((id) => TEXTS[id] !== undefined)).toBe(true);
      }),
      { numRuns: 500 },
    );
    expect(search('acl:secret')).toEqual([]);
    expect(search('zzz) OR acl:(secret')).toEqual([]);
  });
});
