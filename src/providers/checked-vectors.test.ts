import { expect, test } from 'vitest';
import { checkedVectors } from './checked-vectors.ts';

const expected = { provider: 'fake', count: 2, dimensions: null };

test('vectors are scaled to length 1', () => {
  const [first, second] = checkedVectors(
    [
      [3, 4],
      [0, -2],
    ],
    expected,
  );
  expect(first).toEqual(Float32Array.of(0.6, 0.8));
  expect(second).toEqual(Float32Array.of(0, -1));
});

test('no texts have no vectors', () => {
  expect(checkedVectors([], { ...expected, count: 0 })).toEqual([]);
});

test.each([
  ['a missing vector', [[1, 0]]],
  ['mixed dimensions', [[1, 0], [1]]],
  ['no dimensions', [[], []]],
  [
    'NaN',
    [
      [1, 0],
      [Number.NaN, 1],
    ],
  ],
  [
    'infinity',
    [
      [1, 0],
      [Number.POSITIVE_INFINITY, 1],
    ],
  ],
  [
    'zeros',
    [
      [1, 0],
      [0, 0],
    ],
  ],
])('%s is an invalid answer', (_what, rows) => {
  expect(() => checkedVectors(rows, expected)).toThrow(expect.objectContaining({ code: 'provider_invalid_answer' }));
});

test('dimensions other than the configured are an invalid answer', () => {
  expect(() => checkedVectors([[1, 0]], { provider: 'fake', count: 1, dimensions: 3 })).toThrow(
    '2 dimensions instead of 3',
  );
});
