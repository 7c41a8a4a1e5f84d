import type { Cache } from '../cache/index.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import { verifyAccessToken } from './access-tokens.ts';
import { API_KEY_PREFIX, hashesEqual, parseApiKey } from './api-keys.ts';
import { type Rights, recordApiKeyUse, selectUsableApiKey, selectUserBySession, type UsableApiKey } from './queries.ts';
import { readRights } from './rights.ts';
import type { Secrets } from './secrets.ts';
import type { SigningKeys } from './signing-keys.ts';
import { LEVELS, type Level, type Scope, type Subject, type SystemRole, userSubject } from './subject.ts';

export interface AuthenticationDependencies {
  readonly db: Database;
  readonly secrets: Secrets;
  readonly keys: SigningKeys;
  /** Undefined: roles and memberships are read with each request. */
  readonly cache?: Cache;
  /** Told when the last use of an API key could not be written down, which does not concern the request. */
  readonly log?: { warn(fields: { err: unknown; key_id: string }, message: string): void };
}

/** Longer than any credential of ours. */
const MAX_HEADER_CHARS = 4_096;
const BEARER = /^Bearer +([^\s]+)$/i;

/**
 * Who sent this `Authorization` header: `Bearer` with an access token or an API key. Session, key, user and epoch are read from
 * the database each time, so what was revoked is gone with the next request; roles and memberships only in a new epoch. Throws `AppError` invalid_credentials for
 * everything else, always with the same words.
 */
export async function authenticate(dependencies: AuthenticationDependencies, header: string): Promise<Subject> {
  const credential = header.length > MAX_HEADER_CHARS ? undefined : BEARER.exec(header)?.[1];
  if (credential === undefined) throw new AppError('invalid_credentials');
  return credential.startsWith(API_KEY_PREFIX)
    ? authenticateApiKey(dependencies, credential)
    : authenticateSession(dependencies, credential);
}

async function authenticateSession(dependencies: AuthenticationDependencies, token: string): Promise<Subject> {
  const { userId, sessionId } = await verifyAccessToken(dependencies.keys, token);
  const user = await selectUserBySession(dependencies.db, sessionId, userId);
  if (user === null) throw new AppError('invalid_credentials');
  const rights = await readRights(dependencies, user);
  return userSubject({ ...rights, userId, via: 'session', credentialId: sessionId });
}

async function authenticateApiKey(dependencies: AuthenticationDependencies, text: string): Promise<Subject> {
  const presented = parseApiKey(text);
  if (presented === null) throw new AppError('invalid_credentials');
  const key = await selectUsableApiKey(dependencies.db, presented.keyId);
  if (key === null || !hashesEqual(key.secretHash, presented.secretHash)) throw new AppError('invalid_credentials');
  if (key.useIsStale) recordUse(dependencies, key.keyId);
  return apiKeySubject(key, await readRights(dependencies, key.user));
}

/** Not waited for: the write lock may be long in coming, and the request does not depend on it. */
function recordUse({ db, log }: AuthenticationDependencies, keyId: string): void {
  db.batch([recordApiKeyUse(keyId)]).catch((error: unknown) => {
    log?.warn({ err: error, key_id: keyId }, 'the last use of an API key could not be recorded');
  });
}

function apiKeySubject({ keyId, scopes, levelCap, groupId, user }: UsableApiKey, rights: Rights): Subject {
  return userSubject({
    userId: user.userId,
    via: 'api_key',
    credentialId: keyId,
    scopes,
    levelCap: Math.min(levelOfScopes(scopes), levelCap ?? LEVELS.owner) as Level,
    groupId,
    systemRoles: systemRolesOf(scopes, rights.systemRoles),
    memberships: rights.memberships,
  });
}

function levelOfScopes(scopes: readonly Scope[]): Level {
  if (scopes.includes('manage')) return LEVELS.owner;
  return scopes.includes('ingest') ? LEVELS.write : LEVELS.read;
}

/**
 * System roles come with a session. A key has none of them, whoever made it, so that a leaked one cannot change roles; one for
 * the expiry sweep acts as an operator as long as its user could be one.
 */
function systemRolesOf(scopes: readonly Scope[], roles: readonly SystemRole[]): SystemRole[] {
  const maySweep = roles.includes('operator') || roles.includes('super_admin');
  return maySweep && scopes.includes('content:expire') ? ['operator'] : [];
}
