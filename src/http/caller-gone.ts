import type { FastifyReply } from 'fastify';

/**
 * Aborts when the connection closes, so that nothing goes on for a caller who has left. It listens to the reply: the request
 * closes when its body has been read, and the socket lives on for the next request.
 */
export function callerGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  return gone.signal;
}
