import { expect, test } from 'vitest';
import { instant, integerIn, jsonObject } from './options.ts';

test.each([
  ['2027-01-31', '2027-01-31T00:00:00.000Z'],
  ['2027-01-31T12:00:00Z', '2027-01-31T12:00:00.000Z'],
  ['2027-01-31T12:00:00+02:00', '2027-01-31T10:00:00.000Z'],
])('%s is an instant', (text, expected) => {
  expect(instant(text)).toBe(expected);
});

test.each(['', 'tomorrow', '2027', '2027-13-01', '2027-01-31T12:00:00', '31.1.2027'])('%j is none', (text) => {
  expect(() => instant(text)).toThrow('must be like');
});

test.each(['', '-1', '0', '11', '1.5', '0x5', 'five', '1e1'])('%j is no integer from 1 to 10', (text) => {
  expect(() => integerIn(1, 10)(text)).toThrow('from 1 to 10');
});

test('metadata is a JSON object and nothing else', () => {
  expect(jsonObject('{"a": [1]}')).toEqual({ a: [1] });
  for (const text of ['', '[1]', 'null', '"a"', '{a: 1}']) expect(() => jsonObject(text)).toThrow('JSON object');
});
