import { createHmac } from 'node:crypto';
import { guestSubject, hashOpaqueToken, type Secrets } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import type { AccountDependencies } from './dependencies.ts';
import {
  deleteExpiredRefreshTokens,
  revokeSessionOfSpentToken,
  selectSessionByRefreshToken,
  spendRefreshToken,
} from './queries.ts';
import { prepareTokens, type SignedIn } from './session.ts';
import { openUser } from './user.ts';

export interface RefreshInput {
  readonly refreshToken: string;
  /** Chosen by the client for this one exchange; null: it will not be repeated. */
  readonly repeatKey?: string | null | undefined;
}

/**
 * Exchanges a refresh token for the next pair of tokens of its session. A token is good for one exchange; a spent one that
 * comes back ends the session for everybody (RFC 9700 §4.14.2). Whoever gave a `repeatKey` may repeat the exchange under it
 * for ten seconds, until what it brought is used, since the answer may have been lost: it brings the same refresh token
 * again, so that there is never more than one that goes on. By address or name of a program nobody is recognised here: a
 * thief may share them. Throws `AppError` invalid_credentials.
 */
export async function refresh(
  { db, keys, secrets }: Pick<AccountDependencies, 'db' | 'keys' | 'secrets'>,
  input: RefreshInput,
): Promise<SignedIn> {
  const tokenHash = hashOpaqueToken(input.refreshToken);
  const session = await selectSessionByRefreshToken(db, tokenHash);
  if (session === null) throw new AppError('invalid_credentials');
  const { sessionId, user } = session;
  const refreshToken = successorOf(input.refreshToken, secrets);
  const repeatHash = input.repeatKey == null ? null : hashOpaqueToken(input.repeatKey);
  const spend = spendRefreshToken(tokenHash, { successorHash: hashOpaqueToken(refreshToken), repeatHash });
  const { tokens, statements } = await prepareTokens(keys, { userId: user.userId, sessionId, refreshToken });
  try {
    await db.batch([...spend, ...statements, deleteExpiredRefreshTokens(sessionId)]);
  } catch (error) {
    if (hasCode(error, 'invalid_credentials')) await endSessionOf(db, tokenHash, { sessionId, userId: user.userId });
    throw error;
  }
  return { user: openUser(secrets, user), tokens };
}

/** Follows from the token, so that an exchange that is repeated has the same result. 256 bits, of which others know none. */
function successorOf(refreshToken: string, secrets: Secrets): string {
  return createHmac('sha256', secrets.refreshKey).update(refreshToken).digest('base64url');
}

async function endSessionOf(
  db: AccountDependencies['db'],
  tokenHash: string,
  { sessionId, userId }: { sessionId: string; userId: string },
): Promise<void> {
  const session = { type: 'session', id: sessionId } as const;
  await db.batch([
    revokeSessionOfSpentToken(tokenHash),
    recordAudit(guestSubject(), 'session.token_reused', session, { concerns: userId, onlyIfChanged: true }),
  ]);
}
