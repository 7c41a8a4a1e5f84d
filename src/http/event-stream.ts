import type { FastifyReply, FastifyRequest } from 'fastify';
import { callerGone } from './caller-gone.ts';
import { problemBody, toAppError } from './problem.ts';

const HEARTBEAT_MS = 15_000;

export interface EventStream {
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
  send(event: string, data: unknown): void;
}

/**
 * Answers with the server-sent events that `produce` sends, and ends with them. The status line is on its way before the
 * first event, so what goes wrong afterwards can only be said as an `error` event, which holds a problem.
 */
export async function sendEvents(
  request: FastifyRequest,
  reply: FastifyReply,
  produce: (events: EventStream) => Promise<void>,
): Promise<void> {
  const signal = callerGone(reply);
  const { raw } = reply.hijack();
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
  // The client learns that it is connected now, not with the first event.
  raw.flushHeaders();
  function send(event: string, data: unknown): void {
    if (!signal.aborted) raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }
  // Proxies close what looks idle.
  const heartbeat = setInterval(() => raw.write(': \n\n'), HEARTBEAT_MS);
  try {
    await produce({ signal, send });
  } catch (error) {
    if (!signal.aborted) {
      request.log.error({ event: 'http.stream_failed', err: error }, 'the stream broke off');
      send('error', problemBody(toAppError(error), request));
    }
  } finally {
    clearInterval(heartbeat);
    raw.end();
  }
}
