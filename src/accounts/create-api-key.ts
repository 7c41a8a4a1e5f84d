import { hasRole, newApiKey, type Scope, type Subject } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import type { ApiKey } from './api-key.ts';
import { insertApiKey, requireInFuture, toApiKey } from './queries.ts';

export interface ApiKeyInput {
  readonly name: string;
  /** Default: everything that needs no system role. */
  readonly scopes?: readonly Scope[] | undefined;
  /** Milliseconds; null: never. */
  readonly expiresAt: number | null;
}

const DEFAULT_SCOPES: readonly Scope[] = ['read', 'search', 'ingest', 'manage'];

/**
 * Makes a key for the caller. `secret` is the whole key; it is not stored and cannot be shown again. Throws `AppError` forbidden
 * when the caller is not signed in by a session (a key makes no keys) or asks for `content:expire` without the role for it,
 * validation_failed when it would expire in the past.
 */
export async function createApiKey(
  { db }: { db: Database },
  subject: Subject,
  input: ApiKeyInput,
): Promise<{ key: ApiKey; secret: string }> {
  if (subject.via !== 'session' || subject.userId === null) throw new AppError('forbidden');
  const scopes = [...new Set(input.scopes ?? DEFAULT_SCOPES)];
  if (scopes.includes('content:expire') && !hasRole(subject, 'super_admin', 'operator')) {
    throw new AppError('forbidden', 'The scope content:expire needs the role operator');
  }
  const { keyId, text, secretHash } = newApiKey();
  const insert = insertApiKey({ ...input, scopes, keyId, secretHash, userId: subject.userId });
  const rows = await db.batch([...expiryCheck(input.expiresAt), insert]).catch(explainExpiry);
  return { key: toApiKey(rows.at(-1)![0]!), secret: text };
}

function expiryCheck(expiresAt: number | null) {
  return expiresAt === null ? [] : [requireInFuture(expiresAt)];
}

function explainExpiry(error: unknown): never {
  if (!hasCode(error, 'validation_failed')) throw error;
  const message = 'must be in the future';
  throw new AppError('validation_failed', message, { errors: [{ path: 'body.expires_at', message }] });
}
