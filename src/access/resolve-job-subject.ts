import type { Database } from '../db/database.ts';
import { selectRights } from './queries.ts';
import { guestSubject, type Level, type Subject, systemSubject, userSubject } from './subject.ts';

/** What a job remembers of who caused it. Their rights are not among it. */
export interface JobOrigin {
  readonly ownerId: string | null;
  readonly via: Subject['via'];
  readonly levelCap: Level;
  /** The one group that the API key was for. */
  readonly groupId: string | null;
}

/** What a job that the subject causes has to remember, so that it never may more than its cause. */
export function jobOrigin({ userId, via, levelCap, groupId }: Subject): JobOrigin {
  return { ownerId: userId, via, levelCap, groupId };
}

/**
 * For whom a job acts, looked up when it runs: the user must still be active and has the roles of now. Null when the user is
 * disabled or gone. The session or key that caused the job may have ended; what it was limited to stays.
 */
export async function jobSubject({ db }: { db: Database }, job: JobOrigin): Promise<Subject | null> {
  if (job.via === 'guest') return guestSubject();
  if (job.via === 'system') return systemSubject();
  const rights = job.ownerId === null ? null : await selectRights(db, job.ownerId);
  if (job.ownerId === null || rights === null) return null;
  return userSubject({
    userId: job.ownerId,
    via: job.via,
    credentialId: null,
    levelCap: job.levelCap,
    groupId: job.groupId,
    systemRoles: job.via === 'session' ? rights.systemRoles : [],
    memberships: rights.memberships,
  });
}
