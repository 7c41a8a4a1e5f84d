import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { AppError, hasCode } from '../../../errors/app-error.ts';
import { type MetricsAccess, requireMetricsAccess } from '../../../telemetry/metrics-access.ts';
import { formatFor, type MetricsFormat } from '../../../telemetry/prometheus.ts';
import type { App } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';

/** Where the metrics of this process and of those beside it come from. */
export interface MetricsExport {
  access: MetricsAccess;
  render(format: MetricsFormat): Promise<{ text: string; contentType: string }>;
}

/** `metrics` null: they are off. `onRefused` is told of callers who are nobody here, and may throw something else. */
export function metricsRoutes(
  app: App,
  deps: { metrics: MetricsExport | null; onRefused(request: FastifyRequest): void },
): void {
  app.get(
    '/metrics',
    {
      config: { access: { kind: 'metrics' } },
      schema: {
        tags: ['health'],
        summary: 'Metrics for Prometheus',
        description:
          'In the text format, or OpenMetrics with exemplars where `Accept` asks for it. Open to callers on the same machine while no TRUST_PROXY is set, else with METRICS_TOKEN as bearer. 404 where METRICS is off.',
        response: {
          200: {
            description: 'Metrics of the API and, under `anyrag up`, of the workers',
            content: {
              'text/plain': { schema: z.string() },
              'application/openmetrics-text': { schema: z.string() },
            },
          },
          ...problemResponses(),
        },
      },
    },
    async (request, reply) => {
      if (deps.metrics === null) throw new AppError('not_found', 'Metrics are off');
      try {
        requireMetricsAccess(deps.metrics.access, {
          peerAddress: request.socket.remoteAddress,
          headers: request.headers,
        });
      } catch (error) {
        if (hasCode(error, 'invalid_credentials', 'unauthenticated')) deps.onRefused(request);
        throw error;
      }
      const { text, contentType } = await deps.metrics.render(formatFor(request.headers.accept));
      return reply.type(contentType as 'text/plain').send(text);
    },
  );
}
