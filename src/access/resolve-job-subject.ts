import type { Database } from '../db/database.ts';
import { hasApiKey, selectRights } from './queries.ts';
import { guestSubject, type Level, type Subject, systemSubject, userSubject } from './subject.ts';

/** What a job remembers of who caused it. Their rights are not among it. */
export interface JobOrigin {
  readonly ownerId: string | null;
  readonly via: Subject['via'];
  readonly levelCap: Level;
  /** The one group that the API key was for. */
  readonly groupId: string | null;
  /** The API key that caused it; absent or null: none did. */
  readonly keyId?: string | null;
}

/** What a job that the subject causes has to remember, so that it never may more than its cause. */
export function jobOrigin({ userId, via, credentialId, levelCap, groupId }: Subject): JobOrigin {
  return { ownerId: userId, via, levelCap, groupId, keyId: via === 'api_key' ? credentialId : null };
}

/**
 * For whom a job acts, looked up when it runs: the user must still be active and has the roles of now. Null when the user is
 * disabled or gone, or the key that caused the job was deleted: whoever had it must not go on by what they left in the queue.
 * A session may have ended and a key may have expired, as they do; what it was limited to stays.
 */
export async function jobSubject({ db }: { db: Database }, job: JobOrigin): Promise<Subject | null> {
  if (job.via === 'guest') return guestSubject();
  if (job.via === 'system') return systemSubject();
  const rights = job.ownerId === null ? null : await selectRights(db, job.ownerId);
  if (job.ownerId === null || rights === null) return null;
  const keyId = job.keyId ?? null;
  if (keyId !== null && !(await hasApiKey(db, keyId))) return null;
  return userSubject({
    userId: job.ownerId,
    via: job.via,
    credentialId: keyId,
    levelCap: job.levelCap,
    groupId: job.groupId,
    systemRoles: job.via === 'session' ? rights.systemRoles : [],
    memberships: rights.memberships,
  });
}
