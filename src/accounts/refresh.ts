import { hashOpaqueToken } from '../access/index.ts';
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

/**
 * Exchanges a refresh token for the next pair of tokens of its session. A token is good for one exchange; a spent one that
 * comes back ends the session for everybody (RFC 9700 §4.14.2), also when it comes back at once: a copy cannot be told from a
 * second tab, so clients refresh in one place. Throws `AppError` invalid_credentials.
 */
export async function refresh(
  { db, keys, secrets }: Pick<AccountDependencies, 'db' | 'keys' | 'secrets'>,
  refreshToken: string,
): Promise<SignedIn> {
  const tokenHash = hashOpaqueToken(refreshToken);
  const session = await selectSessionByRefreshToken(db, tokenHash);
  if (session === null) throw new AppError('invalid_credentials');
  const { sessionId, user } = session;
  const { tokens, statements } = await prepareTokens(keys, { userId: user.userId, sessionId });
  try {
    await db.batch([...spendRefreshToken(tokenHash), ...statements, deleteExpiredRefreshTokens(sessionId)]);
  } catch (error) {
    if (hasCode(error, 'invalid_credentials')) await db.batch([revokeSessionOfSpentToken(tokenHash)]);
    throw error;
  }
  return { user: openUser(secrets, user), tokens };
}
