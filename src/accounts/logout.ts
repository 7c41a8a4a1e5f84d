import type { Subject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import { revokeSession, revokeSessions } from './queries.ts';

/** Ends the caller's session: its tokens are worth nothing from here on. Throws `AppError` forbidden without a session. */
export async function logout({ db }: { db: Database }, subject: Subject): Promise<void> {
  const { sessionId } = ownSession(subject);
  await db.batch([
    revokeSession(sessionId),
    recordAudit(subject, 'session.ended', { type: 'session', id: sessionId }, { onlyIfChanged: true }),
  ]);
}

/** Ends every session of the caller, this one too. API keys go on. Throws `AppError` forbidden without a session. */
export async function logoutEverywhere({ db }: { db: Database }, subject: Subject): Promise<void> {
  const { userId } = ownSession(subject);
  await db.batch([revokeSessions(userId), recordAudit(subject, 'session.ended_all', { type: 'user', id: userId })]);
}

/** Throws `AppError` forbidden for callers who have not signed in themselves. */
export function ownSession(subject: Subject): { userId: string; sessionId: string } {
  const { via, userId, credentialId } = subject;
  if (via !== 'session' || userId === null || credentialId === null) throw new AppError('forbidden');
  return { userId, sessionId: credentialId };
}
