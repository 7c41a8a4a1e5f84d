import { stat } from 'node:fs/promises';
import type { Cache } from '../cache/index.ts';
import type { Database } from '../db/database.ts';
import { countWorkers, selectDepths } from '../jobs/index.ts';
import type { Sample } from '../telemetry/metrics.ts';
import type { PrometheusMetrics } from '../telemetry/prometheus.ts';

/** However many scrape, and however often. */
const QUEUE_MS = 5_000;

/** What is known elsewhere and read when somebody asks for the metrics of the API. */
export function addSources(metrics: PrometheusMetrics, { db, cache }: { db: Database; cache: Cache }): void {
  metrics.addSource(
    ['anyrag_queue_depth', 'anyrag_queue_oldest_runnable_age_seconds', 'anyrag_workers'],
    queueSource(db),
  );
  metrics.addSource(['anyrag_db_file_bytes', 'anyrag_db_wal_bytes'], databaseFileSource(db));
  metrics.addSource(
    [
      'anyrag_cache_requests_total',
      'anyrag_cache_computes_total',
      'anyrag_cache_evictions_total',
      'anyrag_cache_failures_total',
    ],
    cacheSource(cache),
  );
}

/** What waits and runs, and who is there to do it: the same whichever process tells it, so only the API does. */
function queueSource(db: Database): () => Promise<Sample[]> {
  let latest: Promise<Sample[]> | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (latest === null || performance.now() - readAt > QUEUE_MS) {
      readAt = performance.now();
      latest = readQueue(db);
      latest.catch(() => {
        latest = null;
      });
    }
    return latest;
  };
}

async function readQueue(db: Database): Promise<Sample[]> {
  const [depths, workers] = await Promise.all([selectDepths(db), countWorkers(db)]);
  const samples: Sample[] = [{ name: 'anyrag_workers', labels: {}, value: workers }];
  for (const { jobType, status, reason, jobs } of depths) {
    const labels = { job_type: jobType, status, reason: reason ?? '' };
    samples.push({ name: 'anyrag_queue_depth', labels, value: jobs });
  }
  for (const jobType of new Set(depths.map((depth) => depth.jobType))) {
    const ages = depths.filter((depth) => depth.jobType === jobType).map(({ oldestMs }) => oldestMs ?? 0);
    const value = Math.max(0, ...ages) / 1_000;
    samples.push({ name: 'anyrag_queue_oldest_runnable_age_seconds', labels: { job_type: jobType }, value });
  }
  return samples;
}

/** Sizes of the files; nothing where the database is a server. */
function databaseFileSource({ path }: Pick<Database, 'path'>): () => Promise<Sample[]> {
  return async () => {
    if (path === null) return [];
    const [file, log] = await Promise.all([sizeOf(path), sizeOf(`${path}-wal`)]);
    return [
      { name: 'anyrag_db_file_bytes', labels: {}, value: file },
      { name: 'anyrag_db_wal_bytes', labels: {}, value: log },
    ];
  };
}

/** The log is there only while somebody has the database open. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

function cacheSource(caches: Pick<Cache, 'counts'>): () => Sample[] {
  return () =>
    Object.entries(caches.counts()).flatMap(([cache, counts]): Sample[] => [
      { name: 'anyrag_cache_requests_total', labels: { cache, result: 'hit_memory' }, value: counts.memoryHits },
      { name: 'anyrag_cache_requests_total', labels: { cache, result: 'hit_database' }, value: counts.databaseHits },
      { name: 'anyrag_cache_requests_total', labels: { cache, result: 'miss' }, value: counts.misses },
      { name: 'anyrag_cache_computes_total', labels: { cache }, value: counts.computed },
      { name: 'anyrag_cache_evictions_total', labels: { cache }, value: counts.evicted },
      { name: 'anyrag_cache_failures_total', labels: { cache }, value: counts.failures },
    ]);
}
