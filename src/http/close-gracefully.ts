import type { FastifyInstance } from 'fastify';

const LOOK_MS = 50;

/**
 * Stops accepting, lets running requests finish for `graceMs`, then cuts what is left. Fastify's own close waits out the
 * keep-alive time of connections that become idle after it began (fastify#7044), so idle ones are closed again and again.
 */
export async function closeGracefully(app: FastifyInstance, graceMs: number): Promise<void> {
  const idle = setInterval(() => app.server.closeIdleConnections(), LOOK_MS);
  const deadline = setTimeout(() => app.server.closeAllConnections(), graceMs);
  try {
    await app.close();
  } finally {
    clearInterval(idle);
    clearTimeout(deadline);
  }
}
