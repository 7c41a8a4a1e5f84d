import { randomBytes } from 'node:crypto';
import {
  ACCESS_TOKEN_SECONDS,
  guestSubject,
  hashOpaqueToken,
  issueAccessToken,
  type SigningKeys,
} from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
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

/** How somebody has signed in; for the audit log. */
export type SignInMethod = 'password' | 'registration' | 'oidc';

/** A new session and its tokens. The batch is aborted with invalid_credentials unless the user is active by then. */
export async function prepareSession(keys: SigningKeys, userId: string, method: SignInMethod): Promise<PreparedTokens> {
  const sessionId = newId();
  const refreshToken = randomBytes(32).toString('base64url');
  const { tokens, statements } = await prepareTokens(keys, { userId, sessionId, refreshToken });
  const session = { type: 'session', id: sessionId } as const;
  return {
    tokens,
    statements: [
      requireActiveUser(userId),
      deleteEndedSessions(userId),
      insertSession(sessionId, userId),
      ...statements,
      recordAudit(guestSubject(), 'session.started', session, { concerns: userId, detail: { method } }),
    ],
  };
}

/** The next tokens of a session, of which the refresh token is given. */
export async function prepareTokens(
  keys: SigningKeys,
  session: { userId: string; sessionId: string; refreshToken: string },
): Promise<PreparedTokens> {
  const { refreshToken } = session;
  const accessToken = await issueAccessToken(keys, session);
  return {
    tokens: { accessToken, refreshToken, expiresInSeconds: ACCESS_TOKEN_SECONDS },
    statements: [insertRefreshToken(session.sessionId, hashOpaqueToken(refreshToken))],
  };
}
