/** How good rankings are, each number 0..1. The definitions are those of trec_eval. */
export interface RankingQuality {
  ndcg10: number;
  recall10: number;
  mrr: number;
}

export const METRICS = ['ndcg10', 'recall10', 'mrr'] as const satisfies readonly (keyof RankingQuality)[];

const DEPTH = 10;

/** Quality of one ranking of distinct documents, best first. `grades` has at least one document. */
export function rankingQuality(ranking: readonly string[], grades: ReadonlyMap<string, number>): RankingQuality {
  const gains = ranking.map((id) => grades.get(id) ?? 0);
  const idealGains = [...grades.values()].sort((a, b) => b - a);
  const first = gains.findIndex((gain) => gain > 0);
  return {
    ndcg10: discountedGain(gains) / discountedGain(idealGains),
    recall10: gains.slice(0, DEPTH).filter((gain) => gain > 0).length / grades.size,
    mrr: first < 0 ? 0 : 1 / (first + 1),
  };
}

/** Linear gain: the grade itself. */
function discountedGain(gains: readonly number[]): number {
  return gains.slice(0, DEPTH).reduce((sum, gain, index) => sum + gain / Math.log2(index + 2), 0);
}

export function meanQuality(qualities: readonly RankingQuality[]): RankingQuality {
  return {
    ndcg10: mean(qualities.map(({ ndcg10 }) => ndcg10)),
    recall10: mean(qualities.map(({ recall10 }) => recall10)),
    mrr: mean(qualities.map(({ mrr }) => mrr)),
  };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
