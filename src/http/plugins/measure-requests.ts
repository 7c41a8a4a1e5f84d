import type { FastifyReply, FastifyRequest } from 'fastify';
import { ERROR_CODES } from '../../errors/codes.ts';
import { activeTrace } from '../../telemetry/logger.ts';
import { type Metrics, secondsSince } from '../../telemetry/metrics.ts';
import type { App } from '../app-types.ts';

/** Routes that sign somebody in, by the way it is done. */
const SIGN_INS: Readonly<Record<string, string>> = {
  'POST /auth/login': 'password',
  'POST /auth/register': 'registration',
  'POST /auth/refresh': 'refresh',
  'GET /auth/oidc/:provider/callback': 'oidc',
};

/** Measures each request from its headers to the end of its answer, however it ends. */
export function measureRequests(app: App, metrics: Metrics): void {
  app.addHook('onRequest', (request, reply, done) => {
    measureRequest(metrics, request, reply);
    done();
  });
}

/** For requests that the framework refuses before any hook runs, too. */
export function measureRequest(metrics: Metrics, request: FastifyRequest, reply: FastifyReply): void {
  const startMs = performance.now();
  const trace = activeTrace.getStore();
  const method = { http_request_method: request.method };
  metrics.add('http_server_active_requests', method, 1);
  // Also comes when the caller leaves before the answer ends.
  reply.raw.once('close', () => {
    metrics.add('http_server_active_requests', method, -1);
    noteAnswer(metrics, request, reply, {
      seconds: secondsSince(startMs),
      traceId: trace?.sampled ? trace.traceId : undefined,
    });
  });
}

function noteAnswer(
  metrics: Metrics,
  request: FastifyRequest,
  reply: FastifyReply,
  { seconds, traceId }: { seconds: number; traceId: string | undefined },
): void {
  const route = request.routeOptions?.url ?? 'not_found';
  const http_route = { http_route: route };
  if (isEventStream(reply)) {
    metrics.observe('anyrag_http_stream_duration_seconds', http_route, seconds, traceId);
  } else {
    const labels = {
      http_request_method: request.method,
      ...http_route,
      status_class: `${String(reply.raw.statusCode)[0]}xx`,
    };
    metrics.observe('http_server_request_duration_seconds', labels, seconds, traceId);
  }
  noteProblem(metrics, request, http_route);
  const signIn = SIGN_INS[`${request.method} ${route}`];
  if (signIn !== undefined) {
    metrics.count('anyrag_sign_ins_total', { method: signIn, outcome: outcomeOf(reply.raw.statusCode) });
  }
}

function noteProblem(metrics: Metrics, { problemCode }: FastifyRequest, route: { http_route: string }): void {
  if (problemCode === null) return;
  const { status } = ERROR_CODES[problemCode];
  metrics.count('anyrag_http_problems_total', { code: problemCode });
  if (status === 401 || status === 403) metrics.count('anyrag_access_denials_total', { reason: problemCode });
  if (problemCode === 'rate_limited') metrics.count('anyrag_rate_limit_refusals_total', route);
}

function isEventStream(reply: FastifyReply): boolean {
  return String(reply.raw.getHeader('content-type') ?? '').startsWith('text/event-stream');
}

function outcomeOf(status: number): string {
  if (status >= 500) return 'failed';
  return status >= 400 ? 'refused' : 'succeeded';
}
