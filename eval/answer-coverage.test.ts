import { describe, expect, test } from 'vitest';
import { coveredShare, InkPositions } from './answer-coverage.ts';

describe('covered share', () => {
  test('counts what overlapping passages repeat once', () => {
    const passages = [
      { start: 0, end: 6 },
      { start: 4, end: 8 },
    ];
    expect(coveredShare([{ start: 2, end: 12 }], passages)).toBe(0.6);
  });

  test('counts what overlapping answers repeat once', () => {
    const answers = [
      { start: 0, end: 4 },
      { start: 2, end: 8 },
    ];
    expect(coveredShare(answers, [{ start: 0, end: 2 }])).toBe(0.25);
  });

  test('is 0 without passages', () => {
    expect(coveredShare([{ start: 2, end: 12 }], [])).toBe(0);
  });
});

test('positions without white space are the same however a text is broken into lines', () => {
  const file = new InkPositions('one  two\r\n\r\nthree');
  const parsed = new InkPositions('one two\n\nthree');
  expect(file.ink).toBe(parsed.ink);
  expect(file.toInk({ start: 12, end: 17 })).toEqual(parsed.toInk({ start: 9, end: 14 }));
});
