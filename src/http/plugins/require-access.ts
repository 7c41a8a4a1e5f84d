import type { FastifyRequest } from 'fastify';
import { guestSubject, hasRole, LEVELS, type Scope, type Subject } from '../../access/index.ts';
import { AppError, hasCode } from '../../errors/app-error.ts';
import type { App, RouteAccess } from '../app-types.ts';

export interface AccessRules {
  allowGuestRead: boolean;
  allowGuestIngestion: boolean;
  /** Throws `invalid_credentials`. */
  authenticate(authorization: string): Promise<Subject>;
}

/**
 * Decides for each request who acts and whether that caller may use the route at all, before its body is read. `onRefused` is
 * told of callers who are nobody here, and may throw something else than the refusal.
 */
export function requireAccess(app: App, rules: AccessRules, onRefused: (request: FastifyRequest) => void): void {
  app.decorateRequest('subject', null as unknown as Subject);
  app.addHook('onRoute', (route) => {
    if (route.config?.access === undefined)
      throw new Error(`${String(route.method)} ${route.url} does not say who may call it`);
  });
  app.addHook('onRequest', async (request) => {
    const access = request.routeOptions.config.access;
    if (access === undefined || access.kind === 'open' || access.kind === 'metrics') return;
    try {
      request.subject = await subjectOf(request, access, rules);
      requireUse(request.subject, access);
    } catch (error) {
      if (hasCode(error, 'invalid_credentials', 'unauthenticated')) onRefused(request);
      throw error;
    }
  });
}

async function subjectOf(request: FastifyRequest, access: RouteAccess, rules: AccessRules): Promise<Subject> {
  const { authorization } = request.headers;
  return authorization === undefined ? asGuest(access, rules) : rules.authenticate(authorization);
}

/** Guests have been let in or not by what is open to them. */
function requireUse(subject: Subject, access: RouteAccess): void {
  if (subject.kind === 'guest') return;
  requireScope(subject, access);
  requireLevel(subject, access);
  if (access.kind === 'system' && !hasRole(subject, ...access.roles)) throw new AppError('forbidden');
}

/** Whoever sends no credentials is a guest; whoever sends bad ones is not. */
function asGuest(access: RouteAccess, rules: AccessRules): Subject {
  const isWelcome =
    (access.kind === 'read' && rules.allowGuestRead) ||
    (access.kind === 'ingest' && rules.allowGuestIngestion) ||
    access.kind === 'job';
  if (!isWelcome) throw new AppError('unauthenticated');
  return guestSubject();
}

function requireScope(subject: Subject, access: RouteAccess): void {
  if (subject.scopes === null) return;
  const needed = neededScope(access);
  if (needed === null || !subject.scopes.includes(needed)) {
    const detail = needed === null ? 'An API key cannot do this; sign in' : `The API key lacks the scope ${needed}`;
    throw new AppError('forbidden', detail);
  }
}

/** What is added, and the job that adds it, belong to the user, so no right on a document would stop a key that is to read only. */
function requireLevel(subject: Subject, access: RouteAccess): void {
  if (neededScope(access) !== 'ingest' || subject.levelCap >= LEVELS.write) return;
  throw new AppError('forbidden', 'The API key is limited to reading');
}

function neededScope(access: RouteAccess): Scope | null {
  switch (access.kind) {
    case 'read':
      return access.scope;
    case 'ingest':
      return 'ingest';
    case 'job':
      return 'read';
    case 'user':
      return access.scope;
    case 'system':
      return access.scope ?? null;
    default:
      return null;
  }
}
