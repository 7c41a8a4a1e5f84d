import type { FastifyRequest } from 'fastify';
import type { App } from '../app-types.ts';

/**
 * Cuts the connection of a caller whose JSON body is not whole after `ms`. Such a body is held in memory until its last byte
 * comes, so callers who never send that one would fill the memory with little effort. Uploads go to the disk and may take
 * their time.
 */
export function limitBodyTime(app: App, { ms }: { ms: number }): void {
  app.addHook('preParsing', (request, _reply, payload, done) => {
    if (hasBody(request) && !request.isMultipart()) {
      const late = setTimeout(() => request.raw.destroy(), ms);
      payload.once('close', () => clearTimeout(late)).once('end', () => clearTimeout(late));
    }
    done(null, payload);
  });
}

/** RFC 9112 §6.3. The end of a request without a body is never read, nor heard of. */
function hasBody({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}
