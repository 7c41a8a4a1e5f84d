import { randomBytes } from 'node:crypto';
import { ACCESS_TOKEN_SECONDS, hashOpaqueToken, issueAccessToken, type SigningKeys } from '../access/index.ts';
import { newId } from '../base/ids.ts';
import type { Statement } from '../db/database.ts';
import { deleteEndedSessions, insertRefreshToken, insertSession, requireActiveUser } from './queries.ts';
import type { User } from './user.ts';

interface SessionTokens {
  /** For `Authorization: Bearer`. */
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  /** Good for one refresh, which brings the next one. */
  readonly refreshToken: string;
}

export interface SignedIn {
  readonly user: User;
  readonly tokens: SessionTokens;
}

/** Signed before anything is written, so that a failure to sign leaves nothing half done. */
export interface PreparedTokens {
  readonly tokens: SessionTokens;
  readonly statements: readonly Statement[];
}

/** A new session and its tokens. The batch is aborted with invalid_credentials unless the user is active by then. */
export async function prepareSession(keys: SigningKeys, userId: string): Promise<PreparedTokens> {
  const sessionId = newId();
  const { tokens, statements } = await prepareTokens(keys, { userId, sessionId });
  return {
    tokens,
    statements: [
      requireActiveUser(userId),
      deleteEndedSessions(userId),
      insertSession(sessionId, userId),
      ...statements,
    ],
  };
}

/** The next tokens of a session. */
export async function prepareTokens(
  keys: SigningKeys,
  session: { userId: string; sessionId: string },
): Promise<PreparedTokens> {
  const refreshToken = randomBytes(32).toString('base64url');
  const accessToken = await issueAccessToken(keys, session);
  return {
    tokens: { accessToken, refreshToken, expiresInSeconds: ACCESS_TOKEN_SECONDS },
    statements: [insertRefreshToken(session.sessionId, hashOpaqueToken(refreshToken))],
  };
}
