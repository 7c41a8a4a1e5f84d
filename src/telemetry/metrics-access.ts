import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../errors/app-error.ts';

export interface MetricsAccess {
  /** Null: nobody has one. */
  token: string | null;
  /** Requests come through a proxy, so that the peer's address says nothing about the caller. */
  isBehindProxy: boolean;
}

/** What a proxy adds; without TRUST_PROXY such a peer on this machine may still speak for anybody. */
const FORWARDING_HEADERS = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/**
 * Metrics are for this machine, and for whoever has the token. Throws `AppError` unauthenticated or invalid_credentials for
 * others.
 */
export function requireMetricsAccess(
  access: MetricsAccess,
  caller: { peerAddress: string | undefined; headers: IncomingHttpHeaders },
): void {
  if (!access.isBehindProxy && isLocal(caller)) return;
  const { authorization } = caller.headers;
  if (authorization === undefined) throw new AppError('unauthenticated');
  const given = /^Bearer (\S+)$/i.exec(authorization)?.[1];
  if (access.token === null || given === undefined || !isSame(given, access.token)) {
    throw new AppError('invalid_credentials');
  }
}

function isLocal({ peerAddress, headers }: { peerAddress: string | undefined; headers: IncomingHttpHeaders }): boolean {
  const isLoopback = /^(?:::ffff:)?127\.|^::1$/.test(peerAddress ?? '');
  return isLoopback && !FORWARDING_HEADERS.some((name) => headers[name] !== undefined);
}

function isSame(given: string, token: string): boolean {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(hash(given), hash(token));
}
