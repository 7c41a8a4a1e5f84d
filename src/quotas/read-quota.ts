import type { Subject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import { selectIsMember, selectQuota, updateLimits } from './queries.ts';
import type { OwnLimits, QuotaDefaults, QuotaHolder, QuotaState } from './quota.ts';

export interface QuotaDependencies {
  db: Database;
  quotas: QuotaDefaults;
}

/** What anybody has and may have; who may ask is for the caller to decide. Throws not_found. */
export async function readQuota({ db, quotas }: QuotaDependencies, holder: QuotaHolder): Promise<QuotaState> {
  const state = await selectQuota(db, holder, quotas);
  if (state === null) throw new AppError('not_found');
  return state;
}

export function readOwnQuota(deps: QuotaDependencies, subject: Subject): Promise<QuotaState> {
  return readQuota(deps, { kind: 'user', id: subject.userId ?? '' });
}

/** For members of the group. Throws not_found for others. */
export async function readGroupQuota(deps: QuotaDependencies, subject: Subject, groupId: string): Promise<QuotaState> {
  if (!(await selectIsMember(deps.db, subject, groupId))) throw new AppError('not_found');
  return readQuota(deps, { kind: 'group', id: groupId });
}

/** Replaces the limits that a user or group has of its own. What is there already stays, whatever the limit. Throws not_found. */
export async function changeLimits(
  deps: QuotaDependencies,
  subject: Subject,
  holder: QuotaHolder,
  limits: OwnLimits,
): Promise<QuotaState> {
  await deps.db.batch([
    ...updateLimits(holder, limits),
    recordAudit(subject, 'quota.changed', { type: holder.kind, id: holder.id }, { detail: { ...limits } }),
  ]);
  return readQuota(deps, holder);
}
