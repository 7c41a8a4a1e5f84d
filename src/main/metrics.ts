import type { Config } from '../config/config.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { MetricsAccess } from '../telemetry/metrics-access.ts';
import { PrometheusMetrics } from '../telemetry/prometheus.ts';

/** What this process measures; null where METRICS is off. */
export function createMetrics(config: Config, log: Logger): PrometheusMetrics | null {
  if (!config.metrics) return null;
  const metrics = new PrometheusMetrics({
    onFailed: (error) => log.warn({ event: 'metrics.collect_failed', err: error }, 'some metrics could not be read'),
  });
  metrics.measureProcess();
  return metrics;
}

export function metricsAccessOf(config: Config): MetricsAccess {
  return { token: config.metricsToken, isBehindProxy: config.trustProxy.length > 0 };
}
