import type { FastifyReply, FastifyRequest } from 'fastify';
import { newId } from '../../base/ids.ts';
import { activeTrace } from '../../telemetry/logger.ts';
import { continueTrace, newTrace, type TraceContext, traceparentOf } from '../../telemetry/trace-context.ts';
import type { App } from '../app-types.ts';

const REQUEST_ID = /^[\w.-]{8,64}$/;
/** Asked every few seconds by machines; a line each would drown the rest. */
const UNLOGGED_ROUTES = new Set(['/livez', '/readyz', '/metrics']);

/** The caller's request id where it is harmless, else our own. */
export function requestIdOf(headers: Record<string, unknown>): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : newId();
}

/** Gives each request a trace that its log lines, jobs and answers carry, and writes one line when it is answered. */
export function traceRequests(app: App): void {
  app.decorateRequest('traceId', '');
  app.decorateRequest('problemCode', null);
  app.addHook('onRequest', (request, reply, done) => activeTrace.run(beginTrace(request, reply), done));
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'not_found';
    if (UNLOGGED_ROUTES.has(route)) return;
    request.log.info(
      {
        event: 'http.request',
        method: request.method,
        route,
        status: reply.statusCode,
        duration_ms: Math.round(reply.elapsedTime * 10) / 10,
        subject: request.subject?.userId?.slice(0, 16) ?? null,
      },
      'request answered',
    );
  });
}

/** Names the request and its trace in the answer. For requests that the framework refuses before any hook runs, too. */
export function beginTrace(request: FastifyRequest, reply: FastifyReply): TraceContext {
  // Only callers who present credentials may join our spans to theirs; for others a new trace begins.
  const caller = request.headers.authorization === undefined ? undefined : request.headers.traceparent;
  const trace = continueTrace(typeof caller === 'string' ? caller : undefined) ?? newTrace();
  request.traceId = trace.traceId;
  reply.header('x-request-id', request.id).header('traceparent', traceparentOf(trace));
  return trace;
}
