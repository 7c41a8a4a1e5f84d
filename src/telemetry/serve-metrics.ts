import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { AppError } from '../errors/app-error.ts';
import { ERROR_CODES } from '../errors/codes.ts';
import type { Logger } from './logger.ts';
import { type MetricsAccess, requireMetricsAccess } from './metrics-access.ts';
import { formatFor, type MetricsFormat } from './prometheus.ts';

export interface MetricsServerOptions {
  host: string;
  /** 0 takes a free one. */
  port: number;
  access: MetricsAccess;
  log: Logger;
  render(format: MetricsFormat): Promise<{ text: string; contentType: string }>;
}

/** `GET /metrics` of a process that has no API, for the same callers as there. Resolves when it listens. */
export async function serveMetrics(options: MetricsServerOptions): Promise<Server> {
  const server = createServer((request, response) => {
    answer(options, request, response).catch((error) => refuse(options.log, response, error));
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject).listen(options.port, options.host, resolve);
  await promise;
  return server;
}

async function answer(options: MetricsServerOptions, request: IncomingMessage, response: ServerResponse) {
  const { method = '', url = '', headers } = request;
  if (!['GET', 'HEAD'].includes(method) || url.split('?', 1)[0] !== '/metrics') throw new AppError('not_found');
  requireMetricsAccess(options.access, { peerAddress: request.socket.remoteAddress, headers });
  const { text, contentType } = await options.render(formatFor(headers.accept));
  response.writeHead(200, { 'content-type': contentType }).end(method === 'HEAD' ? '' : text);
}

function refuse(log: Logger, response: ServerResponse, error: unknown): void {
  if (!(error instanceof AppError)) log.error({ event: 'metrics.failed', err: error }, 'metrics could not be served');
  const { status, title } = ERROR_CODES[error instanceof AppError ? error.code : 'internal'];
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${title}\n`);
}
