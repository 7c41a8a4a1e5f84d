import type { FastifyReply, FastifyRequest } from 'fastify';

const HEARTBEAT_MS = 15_000;

/** Server-sent events on a taken-over reply. `signal` aborts when the client is gone. */
export class EventStream {
  readonly signal: AbortSignal;
  readonly #reply: FastifyReply;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(request: FastifyRequest, reply: FastifyReply) {
    const gone = new AbortController();
    this.signal = gone.signal;
    this.#reply = reply;
    reply.hijack();
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    request.raw.socket.setNoDelay(true);
    reply.raw.on('close', () => gone.abort());
    // Proxies close what looks idle.
    this.#heartbeat = setInterval(() => reply.raw.write(': \n\n'), HEARTBEAT_MS);
  }

  send(event: string, data: unknown): void {
    if (!this.signal.aborted) this.#reply.raw.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  end(): void {
    clearInterval(this.#heartbeat);
    this.#reply.raw.end();
  }
}
