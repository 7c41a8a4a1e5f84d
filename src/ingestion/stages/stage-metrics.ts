import { type Metrics, secondsSince } from '../../telemetry/metrics.ts';
import type { VersionState } from '../queries.ts';

type StageName = 'fetch' | 'parse' | 'chunk' | 'index' | 'embed';

/** What says of each stage that an earlier attempt has done it, so that skipping it is not measured as fast work. */
const IS_DONE: Record<StageName, (version: VersionState) => boolean> = {
  fetch: ({ isFetched, url }) => isFetched || url === null,
  parse: ({ isParsed }) => isParsed,
  chunk: ({ isChunked }) => isChunked,
  index: ({ isIndexed }) => isIndexed,
  embed: ({ isEmbedded }) => isEmbedded,
};

/** To be called when the stage begins; what it answers, when it ends, with the version as it is then. */
export function startStage(
  metrics: Metrics | undefined,
  stage: StageName,
  before: VersionState,
): (outcome: 'completed' | 'interrupted', after: VersionState) => void {
  if (metrics === undefined || IS_DONE[stage](before)) return () => {};
  const startMs = performance.now();
  return (outcome, after) => {
    metrics.observe('anyrag_ingestion_stage_duration_seconds', { stage, outcome }, secondsSince(startMs));
    if (stage === 'chunk' && outcome === 'completed') {
      metrics.count('anyrag_ingestion_chunks_total', {}, after.chunkCount ?? 0);
    }
  };
}
