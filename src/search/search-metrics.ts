import { secondsSince } from '../telemetry/metrics.ts';
import type { SearchAnswer, SearchDependencies } from './search.ts';

type Measured = Pick<SearchDependencies, 'metrics'>;

/** Runs a stage and notes its time, also when it fails. */
export async function timed<T>(
  { metrics }: Measured,
  stage: 'words' | 'query_vector' | 'vectors' | 'read',
  run: () => Promise<T>,
): Promise<T> {
  if (metrics === undefined) return run();
  const startMs = performance.now();
  try {
    return await run();
  } finally {
    metrics.observe('anyrag_search_stage_duration_seconds', { stage }, secondsSince(startMs));
  }
}

/** Notes how much was found, and what the search had to do without. */
export function noteFound(
  { metrics }: Measured,
  mode: 'keyword' | 'vector' | 'hybrid',
  answer: SearchAnswer,
): SearchAnswer {
  metrics?.observe('anyrag_search_results', { mode }, answer.results.length);
  for (const reason of answer.degraded) metrics?.count('anyrag_degraded_total', { reason });
  return answer;
}
