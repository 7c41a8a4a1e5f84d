import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuseRrf, fuseWeighted, type RankedList } from './fusion.ts';

const list = (name: string, weight: number, scores: Record<string, number>): RankedList => ({
  name,
  weight,
  items: Object.entries(scores).map(([id, score]) => ({ id, score })),
});
const ids = (items: { id: string }[]) => items.map((item) => item.id);

describe('weighted sum', () => {
  test('scales each list to 0..1, so that the range of its scores does not matter', () => {
    const fused = fuseWeighted(
      [list('keyword', 0.8, { a: 30, b: 20, c: 10 }), list('vector', 0.2, { c: 0.9, b: 0.8, a: 0.7 })],
      10,
    );
    expect(fused.map(({ id, score }) => [id, Math.round(score * 1_000) / 1_000])).toEqual([
      ['a', 0.8],
      ['b', 0.5],
      ['c', 0.2],
    ]);
  });

  test('says what each list gave', () => {
    const [best] = fuseWeighted([list('keyword', 1, { a: 3, b: 1 }), list('vector', 1, { b: 0.5, a: 0.1 })], 1);
    expect(best!.lists).toEqual({ keyword: { score: 3, rank: 1 }, vector: { score: 0.1, rank: 2 } });
  });

  test('a list of weight 0 adds no candidates', () => {
    expect(ids(fuseWeighted([list('keyword', 1, { a: 1 }), list('vector', 0, { b: 1 })], 10))).toEqual(['a']);
  });

  test('the only item of a list counts in full', () => {
    expect(fuseWeighted([list('keyword', 0.5, { a: -7 }), list('vector', 0.5, {})], 10)).toMatchObject([
      { id: 'a', score: 0.5 },
    ]);
  });

  test('what is behind the first hundred of a list is left out', () => {
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`id${i}`, 150 - i]));
    expect(fuseWeighted([list('keyword', 1, many)], 1_000)).toHaveLength(100);
  });

  test('of an item that occurs twice the better score counts', () => {
    const items = [
      { id: 'a', score: 1 },
      { id: 'b', score: 2 },
      { id: 'a', score: 3 },
    ];
    expect(fuseWeighted([{ name: 'keyword', weight: 1, items }], 10)[0]).toMatchObject({
      id: 'a',
      lists: { keyword: { score: 3, rank: 1 } },
    });
  });

  test('no lists give nothing', () => {
    expect(fuseWeighted([], 10)).toEqual([]);
  });
});

describe('reciprocal rank fusion', () => {
  test('adds weight / (k + rank)', () => {
    const fused = fuseRrf([list('keyword', 1, { a: 9, b: 8 }), list('vector', 0.5, { b: 1 })], 10);
    expect(fused).toMatchObject([
      { id: 'b', score: 1 / 62 + 0.5 / 61 },
      { id: 'a', score: 1 / 61 },
    ]);
  });
});

describe.each([
  ['weighted sum', fuseWeighted],
  ['rank fusion', fuseRrf],
])('%s', (_, fuse) => {
  const lists = fc.array(
    fc.array(fc.record({ id: fc.constantFrom(...'abcdefgh'), score: fc.integer({ min: -3, max: 3 }) })),
    { maxLength: 3 },
  );

  test('does not depend on the order of items, and is sorted and unique', () => {
    fc.assert(
      fc.property(lists, fc.integer({ min: 0, max: 9 }), (items, limit) => {
        const named = items.map((list, index): RankedList => ({ name: `list${index}`, weight: 0.5, items: list }));
        const fused = fuse(named, limit);
        expect(
          fuse(
            named.map((list) => ({ ...list, items: list.items.toReversed() })),
            limit,
          ),
        ).toEqual(fused);
        expect(fused.length).toBeLessThanOrEqual(limit);
        expect(new Set(ids(fused)).size).toBe(fused.length);
        expect(fused.map(({ score }) => score)).toEqual(fused.map(({ score }) => score).toSorted((a, b) => b - a));
      }),
    );
  });

  test('refuses a score that is no number', () => {
    expect(() => fuse([list('keyword', 1, { a: Number.NaN })], 1)).toThrow(RangeError);
  });
});
