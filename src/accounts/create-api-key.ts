import { hasRole, newApiKey, type Permission, type Scope, type Subject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Database } from '../db/database.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import type { ApiKey } from './api-key.ts';
import { insertApiKey, requireInFuture, requireMembership, toApiKey } from './queries.ts';

export interface ApiKeyInput {
  readonly name: string;
  /** Default: everything that needs no system role. */
  readonly scopes?: readonly Scope[] | undefined;
  /** Default: as far as the scopes go. */
  readonly levelCap?: Permission | null | undefined;
  /** For what is shared with this group alone. Default: for all that the caller may see. */
  readonly groupId?: string | null | undefined;
  /** Milliseconds; null: never. */
  readonly expiresAt: number | null;
}

const DEFAULT_SCOPES: readonly Scope[] = ['read', 'search', 'ingest', 'manage'];

/**
 * Makes a key for the caller. `secret` is the whole key; it is not stored and cannot be shown again. Throws `AppError` forbidden
 * when the caller is not signed in by a session (a key makes no keys) or asks for `content:expire` without the role for it,
 * not_found for a group the caller is not in, validation_failed when it would expire in the past, or is to sweep one group.
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
  const { levelCap = null, groupId = null } = input;
  if (groupId !== null && scopes.includes('content:expire'))
    refuse('group_id', 'does not go with the scope content:expire');
  const { keyId, text, secretHash } = newApiKey();
  const insert = insertApiKey({ ...input, scopes, levelCap, groupId, keyId, secretHash, userId: subject.userId });
  const checks = [...expiryCheck(input.expiresAt), ...(groupId === null ? [] : [requireMembership(subject, groupId)])];
  const entry = recordAudit(
    subject,
    'api_key.created',
    { type: 'api_key', id: keyId },
    { detail: { scopes: scopes.join(' '), level_cap: levelCap, group_id: groupId } },
  );
  const rows = await db.batch([...checks, insert, entry]).catch(explainExpiry);
  return { key: toApiKey(rows[checks.length]![0]!), secret: text };
}

function expiryCheck(expiresAt: number | null) {
  return expiresAt === null ? [] : [requireInFuture(expiresAt)];
}

function explainExpiry(error: unknown): never {
  if (!hasCode(error, 'validation_failed')) throw error;
  refuse('expires_at', 'must be in the future');
}

function refuse(field: string, message: string): never {
  throw new AppError('validation_failed', message, { errors: [{ path: `body.${field}`, message }] });
}
