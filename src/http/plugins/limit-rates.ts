import rateLimit from '@fastify/rate-limit';
import type { FastifyRequest } from 'fastify';
import { CALLER_NETWORK, networkOf } from '../../base/client-network.ts';
import { AppError } from '../../errors/app-error.ts';
import type { App } from '../app-types.ts';

/** Counts requests per caller and route in this process. Users are counted wherever they come from, guests by address. */
export async function limitRates(app: App, options: { perMinute: number }): Promise<void> {
  await app.register(rateLimit, {
    max: options.perMinute,
    timeWindow: 60_000,
    // After authentication, so that the caller is known, and before the body is read.
    hook: 'preParsing',
    keyGenerator: (request) =>
      `${limitedCallerOf(request)} ${request.method} ${request.routeOptions.url ?? 'not_found'}`,
    allowList: (request) => request.routeOptions.url === '/livez' || request.routeOptions.url === '/readyz',
    errorResponseBuilder: (_request, context) =>
      new AppError('rate_limited', `More than ${context.max} requests in a minute`, {
        retryAfterSeconds: context.ttl / 1_000,
      }),
  });
}

export function callerOf(request: FastifyRequest): string {
  return request.subject?.userId ?? `guest:${request.ip}`;
}

/** By whom limits are counted: of IPv6 by the network, since every guest there has more addresses than can be counted. */
export function limitedCallerOf(request: FastifyRequest): string {
  return request.subject?.userId ?? `guest:${networkOf(request.ip, CALLER_NETWORK)}`;
}
