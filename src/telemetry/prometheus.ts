import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import { activeTrace } from './logger.ts';
import { closedLabels, definitionOf, METRICS, type MetricName, type Metrics, type Sample } from './metrics.ts';

/** A metric with its series, in a form that goes through a channel between processes. */
export interface MetricSnapshot {
  name: string;
  help: string;
  type: unknown;
  values: {
    labels?: Record<string, string | number>;
    value: number;
    metricName?: string;
    exemplar?: unknown;
  }[];
}

/** What one process measured, and what it is called among the others. */
export interface ProcessMetrics {
  process: string;
  metrics: MetricSnapshot[];
}

type AnyMetric = Counter<string> | Gauge<string> | Histogram<string>;

interface Source {
  names: readonly MetricName[];
  read: () => Promise<readonly Sample[]> | readonly Sample[];
}

export type MetricsFormat = 'text' | 'openmetrics';

/** Names of the client that `promtool check metrics` rightly complains about: gauges called totals, and types in names. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  'nodejs_eventloop_utilization_histogram',
  'nodejs_eventloop_utilization_summary',
];

/**
 * The metrics of one process, kept in memory until somebody asks for them. Besides what is told it through `Metrics`, it
 * reads its sources with each snapshot.
 */
export class PrometheusMetrics implements Metrics {
  /** Of this kind because no other keeps exemplars; how it is written is decided when it is. */
  readonly #registry = new Registry(Registry.OPENMETRICS_CONTENT_TYPE as never);
  readonly #metrics = new Map<string, AnyMetric>();
  readonly #sources: Source[] = [];
  readonly #onFailed: (error: unknown) => void;

  /** `onFailed` is told of a source that could not be read; the others are in the snapshot nevertheless. */
  constructor({ onFailed }: { onFailed: (error: unknown) => void }) {
    this.#onFailed = onFailed;
    for (const name of Object.keys(METRICS) as MetricName[]) this.#metrics.set(name, this.#create(name));
  }

  count(name: MetricName, labels: Readonly<Record<string, string>>, by = 1): void {
    (this.#metrics.get(name) as Counter<string>).inc(closedLabels(name, labels), by);
  }

  add(name: MetricName, labels: Readonly<Record<string, string>>, by: number): void {
    (this.#metrics.get(name) as Gauge<string>).inc(closedLabels(name, labels), by);
  }

  observe(name: MetricName, labels: Readonly<Record<string, string>>, value: number, traceId = activeTraceId()): void {
    const histogram = this.#metrics.get(name) as Histogram<string>;
    const closed = closedLabels(name, labels);
    if (definitionOf(name).exemplars === true) {
      histogram.observe({ labels: closed, value, exemplarLabels: traceId === undefined ? {} : { trace_id: traceId } });
    } else {
      histogram.observe(closed, value);
    }
  }

  /** Adds memory, processor, event loop and garbage collection of this process. Once. */
  measureProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name);
  }

  /** Asked with each snapshot for all there is to say about these metrics: a series that is not told any more is 0. */
  addSource(names: readonly MetricName[], read: () => Promise<readonly Sample[]> | readonly Sample[]): void {
    this.#sources.push({ names, read });
  }

  async snapshot(): Promise<MetricSnapshot[]> {
    await Promise.all(this.#sources.map((source) => this.#update(source)));
    const metrics = (await this.#registry.getMetricsAsJSON()) as unknown as MetricSnapshot[];
    return metrics.filter(({ name }) => !this.#isUnknownHere(name));
  }

  /** A gauge without labels is 0 from the start, which would be wrong in a process that does not know the figure. */
  #isUnknownHere(name: string): boolean {
    if (!Object.hasOwn(METRICS, name)) return false;
    const { type, labels } = definitionOf(name as MetricName);
    if (type !== 'gauge' || Object.keys(labels).length > 0) return false;
    return !this.#sources.some(({ names }) => names.includes(name as MetricName));
  }

  async #update({ names, read }: Source): Promise<void> {
    try {
      const samples = await read();
      for (const name of names) await this.#zero(this.#metrics.get(name)!);
      for (const { name, labels, value } of samples) {
        (this.#metrics.get(name) as Counter<string> | Gauge<string>).inc(closedLabels(name, labels), value);
      }
    } catch (error) {
      this.count('anyrag_metrics_collect_failures_total', {});
      this.#onFailed(error);
    }
  }

  async #zero(metric: AnyMetric): Promise<void> {
    if (!(metric instanceof Gauge)) return metric.reset();
    for (const { labels } of (await metric.get()).values) metric.set(labels as Record<string, string>, 0);
  }

  #create(name: MetricName): AnyMetric {
    const { help, type, labels, buckets = [], exemplars = false } = definitionOf(name);
    const options = { name, help, labelNames: Object.keys(labels), registers: [this.#registry] };
    if (type === 'counter') return new Counter(options);
    if (type === 'gauge') return new Gauge(options);
    return new Histogram({ ...options, buckets: [...buckets], enableExemplars: exemplars });
  }
}

/**
 * What several processes measured, as one text. Each series says which process it is of: added up, the end of a process would
 * look like a counter that starts again.
 */
export async function renderMetrics(
  processes: readonly ProcessMetrics[],
  format: MetricsFormat,
): Promise<{ text: string; contentType: string }> {
  const contentType = format === 'openmetrics' ? OPENMETRICS_TYPE : TEXT_TYPE;
  const registry = new Registry(contentType as never);
  for (const metric of mergeByName(processes)) registry.registerMetric(new Rendered(metric) as never);
  return { text: await registry.metrics(), contentType };
}

/** `Accept` of whoever scrapes: the text format unless OpenMetrics is asked for. */
export function formatFor(accept: string | undefined): MetricsFormat {
  return /application\/openmetrics-text/i.test(accept ?? '') ? 'openmetrics' : 'text';
}

const TEXT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;
const OPENMETRICS_TYPE = Registry.OPENMETRICS_CONTENT_TYPE;

/** What the client's renderer asks of a metric; in OpenMetrics it takes the suffix off the name of a counter. */
class Rendered {
  name: string;
  readonly help: string;
  readonly type: unknown;
  readonly values: MetricSnapshot['values'];

  constructor({ name, help, type, values }: MetricSnapshot) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.values = values;
  }

  async get(): Promise<this> {
    return this;
  }
}

function mergeByName(processes: readonly ProcessMetrics[]): MetricSnapshot[] {
  const merged = new Map<string, MetricSnapshot>();
  for (const { process, metrics } of processes) {
    for (const metric of metrics) {
      const values = metric.values.map((series) => ({ ...series, labels: { process, ...series.labels } }));
      const known = merged.get(metric.name);
      if (known === undefined) merged.set(metric.name, { ...metric, values });
      else known.values.push(...values);
    }
  }
  return [...merged.values()];
}

function activeTraceId(): string | undefined {
  const trace = activeTrace.getStore();
  return trace?.sampled === true ? trace.traceId : undefined;
}
