import type { Database } from '../db/database.ts';
import { selectRights, selectUsableApiKey, selectUserBySession } from './queries.ts';
import type { Subject } from './subject.ts';

/**
 * Whether what a subject presented is still good: its session has not ended, its key was not deleted, its user is active and
 * has the system roles it had. For requests that go on for long after they were let in. A guest has presented nothing.
 */
export async function credentialStands({ db }: { db: Database }, subject: Subject): Promise<boolean> {
  const { userId, via, credentialId, systemRoles, memberships } = subject;
  if (userId === null || credentialId === null) return true;
  if (via === 'api_key') return (await selectUsableApiKey(db, credentialId)) !== null;
  const user = await selectUserBySession(db, credentialId, userId);
  if (user === null || user.epoch === memberships.epoch) return user !== null;
  const rights = await selectRights(db, userId);
  return rights !== null && systemRoles.every((role) => rights.systemRoles.includes(role));
}
