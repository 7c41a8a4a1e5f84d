import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Scope, Subject, SystemRole } from '../access/index.ts';
import type { ErrorCode } from '../errors/codes.ts';

/**
 * Who may call a route. Every route names one in its `config.access`; a route without refuses to register, so forgetting
 * it is found at start and not by an attacker.
 */
export type RouteAccess =
  /** Credentials are not looked at. */
  | { kind: 'open' }
  /** Callers on this machine, and whoever has METRICS_TOKEN: the handler decides. */
  | { kind: 'metrics' }
  /** Users, and guests where ALLOW_GUEST_READ is on. An API key needs the scope. */
  | { kind: 'read'; scope: Scope }
  /** Users, and guests where ALLOW_GUEST_INGESTION is on. An API key needs the scope `ingest`. */
  | { kind: 'ingest' }
  /** Users, and whoever holds the job's token: the handler decides in its statement. */
  | { kind: 'job' }
  /** Users. An API key needs the scope; without one only sessions are accepted. */
  | { kind: 'user'; scope: Scope | null }
  /** Users with one of the system roles, signed in; an API key with the scope too, where one is named. */
  | { kind: 'system'; roles: readonly SystemRole[]; scope?: Scope };

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: RouteAccess;
  }
  interface FastifyRequest {
    /** Set before the handler runs, except on `open` routes, where reading it throws. */
    subject: Subject;
    traceId: string;
    /** Of the problem that the answer is; null when it is none. */
    problemCode: ErrorCode | null;
  }
}

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;
