import { ERROR_CODES } from '../errors/codes.ts';

/**
 * What is measured. Names follow Prometheus (base units, unit last, `_total` on counters) and, where there is one, the
 * OpenTelemetry convention written in that way. A label's values are listed, or said to come from a set that requests cannot
 * add to; ids, addresses, queries and texts of errors are never labels.
 */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** The values there are, or where they come from. */
  readonly labels: Readonly<Record<string, readonly string[] | string>>;
  /** Upper bounds, of a histogram. */
  readonly buckets?: readonly number[];
  /** The trace of the latest observation in each bucket is kept. */
  readonly exemplars?: boolean;
}

/** OpenTelemetry's advice for `http.server.request.duration`. */
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** An answer is streamed for as long as a model writes, progress for as long as a job runs. */
const STREAM_SECONDS = [0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];
const JOB_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600];
const WAIT_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 15, 60, 300, 1_800];
const STAGE_SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** OpenTelemetry's advice for `gen_ai.client.operation.duration`. */
const MODEL_SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/** OpenTelemetry's advice for `db.client.operation.duration`, with two bounds below it for a database in the process. */
const DATABASE_SECONDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];

const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'];
const ROUTES = 'the template of the route as it is registered, or not_found';
const JOB_TYPES = 'the types of jobs that there are handlers for';
const OUTCOMES = ['completed', 'failed', 'retry', 'released', 'crashed', 'parked', 'cancelled'];
const CODES = Object.keys(ERROR_CODES);
const CACHES = 'the names of the caches';
const MODELS = 'the configured model';
const PROVIDERS = 'the configured provider';
const OPERATIONS = ['chat', 'embeddings'];

/** Every metric there is. `docs/metrics.md` says the same, which a test compares. */
export const METRICS = {
  http_server_request_duration_seconds: {
    type: 'histogram',
    help: 'Time from the headers of a request to the end of its answer; event streams are not in it.',
    labels: { http_request_method: HTTP_METHODS, http_route: ROUTES, status_class: STATUS_CLASSES },
    buckets: REQUEST_SECONDS,
    exemplars: true,
  },
  http_server_active_requests: {
    type: 'gauge',
    help: 'Requests that are being answered, event streams included.',
    labels: { http_request_method: HTTP_METHODS },
  },
  anyrag_http_stream_duration_seconds: {
    type: 'histogram',
    help: 'How long event streams were open.',
    labels: { http_route: ROUTES },
    buckets: STREAM_SECONDS,
    exemplars: true,
  },
  anyrag_http_problems_total: {
    type: 'counter',
    help: 'Answers that are a problem, by its code.',
    labels: { code: CODES },
  },
  anyrag_access_denials_total: {
    type: 'counter',
    help: 'Requests refused for who the caller is or may do (401 and 403), by the code of the problem.',
    labels: { reason: CODES },
  },
  anyrag_rate_limit_refusals_total: {
    type: 'counter',
    help: 'Requests refused because there were too many (429).',
    labels: { http_route: ROUTES },
  },
  anyrag_sign_ins_total: {
    type: 'counter',
    help: 'Sign-ins that were tried.',
    labels: { method: ['password', 'registration', 'oidc', 'refresh'], outcome: ['succeeded', 'refused', 'failed'] },
  },

  anyrag_queue_depth: {
    type: 'gauge',
    help: 'Live jobs: the running ones, and the pending ones by what they wait for.',
    labels: {
      job_type: JOB_TYPES,
      status: ['pending', 'processing'],
      reason: ['in_line', 'scheduled', 'waiting_for_key', 'waiting_for_rate', 'waiting_for_children', 'paused', ''],
    },
  },
  anyrag_queue_oldest_runnable_age_seconds: {
    type: 'gauge',
    help: 'How long the oldest job that may run, and is not paused, has been waiting for a worker.',
    labels: { job_type: JOB_TYPES },
  },
  anyrag_workers: { type: 'gauge', help: 'Workers whose lease is valid.', labels: {} },
  anyrag_job_claims_total: { type: 'counter', help: 'Jobs claimed.', labels: { job_type: JOB_TYPES } },
  anyrag_job_outcomes_total: {
    type: 'counter',
    help: 'Runs of jobs whose outcome was stored. A retry after the last attempt counts as failed.',
    labels: { job_type: JOB_TYPES, outcome: OUTCOMES },
  },
  anyrag_job_duration_seconds: {
    type: 'histogram',
    help: 'How long one run of a job took.',
    labels: { job_type: JOB_TYPES, outcome: OUTCOMES },
    buckets: JOB_SECONDS,
    exemplars: true,
  },
  anyrag_job_wait_seconds: {
    type: 'histogram',
    help: 'From when a job could have run to its claim.',
    labels: { job_type: JOB_TYPES },
    buckets: WAIT_SECONDS,
  },
  anyrag_job_rescues_total: {
    type: 'counter',
    help: 'Jobs taken over from dead workers, by what they are since.',
    labels: { status: ['pending', 'failed', 'cancelled'] },
  },
  anyrag_job_stale_outcomes_total: {
    type: 'counter',
    help: 'Outcomes dropped because another worker had taken the job over.',
    labels: { job_type: JOB_TYPES },
  },
  anyrag_worker_lease_losses_total: { type: 'counter', help: 'Leases that a worker lost.', labels: {} },

  anyrag_cache_requests_total: {
    type: 'counter',
    help: 'Values asked of the cache, by where they were found.',
    labels: { cache: CACHES, result: ['hit_memory', 'hit_database', 'miss'] },
  },
  anyrag_cache_computes_total: { type: 'counter', help: 'Values computed on a miss.', labels: { cache: CACHES } },
  anyrag_cache_evictions_total: {
    type: 'counter',
    help: 'Entries this process removed from the cache because there was no room.',
    labels: { cache: CACHES },
  },
  anyrag_cache_failures_total: {
    type: 'counter',
    help: 'Reads and stores of the cache that failed.',
    labels: { cache: CACHES },
  },

  anyrag_ingestion_stage_duration_seconds: {
    type: 'histogram',
    help: 'How long a stage of an ingestion took that had something to do.',
    labels: { stage: ['fetch', 'parse', 'chunk', 'index', 'embed'], outcome: ['completed', 'interrupted'] },
    buckets: JOB_SECONDS,
  },
  anyrag_ingestion_bytes_total: { type: 'counter', help: 'Bytes of originals that were parsed.', labels: {} },
  anyrag_ingestion_chunks_total: { type: 'counter', help: 'Passages that were made of documents.', labels: {} },

  anyrag_search_stage_duration_seconds: {
    type: 'histogram',
    help: 'How long a stage of a search took.',
    labels: { stage: ['words', 'query_vector', 'vectors', 'read'] },
    buckets: STAGE_SECONDS,
  },
  anyrag_search_results: {
    type: 'histogram',
    help: 'How many passages a search found, at most as many as were asked for.',
    labels: { mode: ['keyword', 'vector', 'hybrid'] },
    buckets: [0, 1, 2, 5, 10, 20, 50],
  },
  anyrag_degraded_total: {
    type: 'counter',
    help: 'Searches and answers that had to do without something.',
    labels: { reason: ['vectors_pending', 'embedding_unavailable', 'chat_unavailable'] },
  },
  anyrag_citations_dropped_total: {
    type: 'counter',
    help: 'Citations of a model that had nothing to stand on and were taken out.',
    labels: {},
  },

  gen_ai_client_operation_duration_seconds: {
    type: 'histogram',
    help: 'How long a call of a model took, with its retries; error_type is the code of the error, or empty.',
    labels: {
      gen_ai_operation_name: OPERATIONS,
      gen_ai_provider_name: PROVIDERS,
      gen_ai_request_model: MODELS,
      error_type: [...CODES, 'cancelled', ''],
    },
    buckets: MODEL_SECONDS,
    exemplars: true,
  },
  gen_ai_client_tokens_total: {
    type: 'counter',
    help: 'Tokens that calls of a model took, where the provider says them.',
    labels: {
      gen_ai_operation_name: OPERATIONS,
      gen_ai_provider_name: PROVIDERS,
      gen_ai_request_model: MODELS,
      gen_ai_token_type: ['input', 'output'],
    },
  },
  db_client_operation_duration_seconds: {
    type: 'histogram',
    help: 'How long the database took: a reading statement, one on a reader thread, or a batch with its wait for the write lock.',
    labels: { db_operation_name: ['query', 'query_off_thread', 'batch'], outcome: ['completed', 'failed'] },
    buckets: DATABASE_SECONDS,
  },
  anyrag_db_file_bytes: { type: 'gauge', help: 'Size of the database file.', labels: {} },
  anyrag_db_wal_bytes: { type: 'gauge', help: 'Size of the write-ahead log of the database file.', labels: {} },

  anyrag_metrics_collect_failures_total: {
    type: 'counter',
    help: 'Sources of metrics that could not be read for a scrape.',
    labels: {},
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricName = keyof typeof METRICS;

export function definitionOf(name: MetricName): MetricDefinition {
  return METRICS[name];
}

type NameOf<Type> = { [N in MetricName]: (typeof METRICS)[N]['type'] extends Type ? N : never }[MetricName];
export type LabelsOf<N extends MetricName> = { readonly [L in keyof (typeof METRICS)[N]['labels']]: string };

/** The present value of one series, for what is known elsewhere and only read when somebody asks. */
export type Sample = {
  [N in NameOf<'counter' | 'gauge'>]: { readonly name: N; readonly labels: LabelsOf<N>; readonly value: number };
}[NameOf<'counter' | 'gauge'>];

/** Where code tells what happened. None of these throws or waits. */
export interface Metrics {
  count<N extends NameOf<'counter'>>(name: N, labels: LabelsOf<N>, by?: number): void;
  /** Changes a gauge that goes up and down. */
  add<N extends NameOf<'gauge'>>(name: N, labels: LabelsOf<N>, by: number): void;
  /** In the unit of the name. `traceId` of a sampled trace, as the exemplar; default: the active one. */
  observe<N extends NameOf<'histogram'>>(name: N, labels: LabelsOf<N>, value: number, traceId?: string): void;
}

/** For when nobody asks: METRICS=off. */
export const NO_METRICS: Metrics = { count() {}, add() {}, observe() {} };

/** The labels as they may leave: what is in none of the closed sets is `_OTHER`, OpenTelemetry's word for that. */
export function closedLabels(name: MetricName, labels: Readonly<Record<string, string>>): Record<string, string> {
  const closed: Record<string, string> = {};
  for (const [label, values] of Object.entries(definitionOf(name).labels)) {
    const value = labels[label] ?? '';
    closed[label] = typeof values === 'string' || values.includes(value) ? value : '_OTHER';
  }
  return closed;
}

/** Seconds since an instant of `performance.now()`. */
export function secondsSince(startMs: number): number {
  return (performance.now() - startMs) / 1_000;
}
