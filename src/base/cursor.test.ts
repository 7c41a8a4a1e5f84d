import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.ts';

function wordOf(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

describe('a cursor', () => {
  test('gives back the position it was made of', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer(), (text, number) => {
        expect(decodeCursor(encodeCursor([text, number]), ['string', 'number'])).toEqual([text, number]);
      }),
    );
  });

  test('may stand in a URL as it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(encodeCursor([text])).toMatch(/^[\w-]*$/);
      }),
    );
  });

  test.each([
    ['', 'nothing'],
    ['%%%', 'no base64'],
    [Buffer.from('{').toString('base64url'), 'no JSON'],
    [wordOf({ 0: 'a' }), 'no list'],
    [wordOf(null), 'null'],
    [wordOf([]), 'too few values'],
    [wordOf(['a', 'b']), 'too many values'],
    [wordOf([1]), 'another type'],
  ])('that is %j (%s) is invalid_cursor', (cursor) => {
    expect(() => decodeCursor(cursor, ['string'])).toThrow(expect.objectContaining({ code: 'invalid_cursor' }));
  });

  test.each(['[1e999]', '[1.5]', '[9007199254740993]'])('with the number %s is invalid_cursor', (json) => {
    const cursor = Buffer.from(json).toString('base64url');

    expect(() => decodeCursor(cursor, ['number'])).toThrow(expect.objectContaining({ code: 'invalid_cursor' }));
  });
});
