import { describe, expect, test } from 'vitest';
import { meanQuality, rankingQuality } from './metrics.ts';

const grades = new Map([
  ['a', 3],
  ['b', 1],
]);

describe('ranking quality', () => {
  test('is 1 for the ideal order', () => {
    expect(rankingQuality(['a', 'b', 'x'], grades)).toEqual({ ndcg10: 1, recall10: 1, mrr: 1 });
  });

  test('gains the grade itself, discounted by the logarithm of the rank', () => {
    const { ndcg10 } = rankingQuality(['x', 'b', 'a'], grades);
    expect(ndcg10).toBeCloseTo((1 / Math.log2(3) + 3 / 2) / (3 + 1 / Math.log2(3)), 12);
  });

  test('counts nothing behind the tenth place, but the reciprocal rank does', () => {
    const ranking = [...Array.from({ length: 10 }, (_, index) => `x${index}`), 'a'];
    expect(rankingQuality(ranking, grades)).toEqual({ ndcg10: 0, recall10: 0, mrr: 1 / 11 });
  });

  test('is 0 for an empty ranking', () => {
    expect(rankingQuality([], grades)).toEqual({ ndcg10: 0, recall10: 0, mrr: 0 });
  });

  test('is averaged over queries', () => {
    const good = { ndcg10: 1, recall10: 1, mrr: 1 };
    const bad = { ndcg10: 0, recall10: 0.5, mrr: 0 };
    expect(meanQuality([good, bad])).toEqual({ ndcg10: 0.5, recall10: 0.75, mrr: 0.5 });
  });
});
