import type { Subject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import type { PiiPolicy } from './policy.ts';
import { requireGroupAdmin, selectPolicyForMember, upsertGroupPolicy } from './queries.ts';

/** For members of the group. Throws not_found for others. */
export async function readGroupPolicy({ db }: { db: Database }, subject: Subject, groupId: string): Promise<PiiPolicy> {
  const policy = await selectPolicyForMember(db, subject, groupId);
  if (policy === null) throw new AppError('not_found');
  return policy;
}

/** For admins of the group. Throws not_found, forbidden. */
export async function changeGroupPolicy(
  { db }: { db: Database },
  subject: Subject,
  groupId: string,
  policy: PiiPolicy,
): Promise<void> {
  await db.batch([
    ...requireGroupAdmin(subject, groupId),
    upsertGroupPolicy(groupId, policy),
    recordAudit(subject, 'group.policy_changed', { type: 'group', id: groupId }, { detail: { pii_policy: policy } }),
  ]);
}
