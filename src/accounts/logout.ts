import type { Subject } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import { revokeSession } from './queries.ts';

/** Ends the caller's session: its tokens are worth nothing from here on. Throws `AppError` forbidden without a session. */
export async function logout({ db }: { db: Database }, subject: Subject): Promise<void> {
  if (subject.via !== 'session' || subject.credentialId === null) throw new AppError('forbidden');
  await db.batch([revokeSession(subject.credentialId)]);
}
