import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printable, printableJson, printableLine } from './printable.ts';

test('what controls a terminal is replaced, line feeds, tabs and letters of any script stay', () => {
  expect(printable('a\u001b[31mb\r\nc\td\u009b\u007f\u0000')).toBe('a\ufffd[31mb\nc\td\ufffd\ufffd\ufffd');
  expect(printable('ไทย größe 東京 👩‍👩‍👧 עברית')).toBe('ไทย größe 東京 👩‍👩‍👧 עברית');
  expect(printable('\u202edlrow\u2066x\u2069')).toBe('\ufffddlrow\ufffdx\ufffd');
});

test('a line has no breaks in it', () => {
  expect(printableLine('  a\n\n b\u2028c\td ')).toBe('a b c d');
});

test('JSON says the same with nothing active in it', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string({ unit: 'binary' }), (value, text) => {
      const json = printableJson([value, text]);
      expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify([value, text])));
      expect(json).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
    }),
  );
});
