import type { Database } from '../db/database.ts';
import { selectActiveUser } from './queries.ts';
import { guestSubject, type Level, type Subject, systemSubject, userSubject } from './subject.ts';

/** What a job remembers of who caused it. Their rights are not among it. */
export interface JobOrigin {
  readonly ownerId: string | null;
  readonly via: Subject['via'];
  readonly levelCap: Level;
}

/**
 * For whom a job acts, looked up when it runs: the user must still be active and has the roles of now. Null when the user is
 * disabled or gone. The session or key that caused the job may have ended; what it was limited to stays.
 */
export async function jobSubject({ db }: { db: Database }, job: JobOrigin): Promise<Subject | null> {
  if (job.via === 'guest') return guestSubject();
  if (job.via === 'system') return systemSubject();
  const user = job.ownerId === null ? null : await selectActiveUser(db, job.ownerId);
  if (user === null) return null;
  return userSubject({
    userId: user.userId,
    via: job.via,
    credentialId: null,
    levelCap: job.levelCap,
    systemRoles: job.via === 'session' ? user.systemRoles : [],
  });
}
