import type { Database } from '../db/database.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import { selectQuota } from './queries.ts';
import type { QuotaDefaults, QuotaHolder, QuotaState, StockResource } from './quota.ts';

const RESOURCES: readonly StockResource[] = ['documents', 'bytes', 'chunks'];

/** `quota_full` with a sentence that says what each of the holders has and may have. */
export async function fullQuotaError(
  db: Database,
  holders: readonly QuotaHolder[],
  defaults: QuotaDefaults,
): Promise<AppError> {
  const sentences: string[] = [];
  for (const holder of holders) {
    const state = await selectQuota(db, holder, defaults);
    const limited = state === null ? [] : RESOURCES.flatMap((resource) => share(state, resource));
    if (limited.length > 0)
      sentences.push(`${holder.kind === 'user' ? 'You have' : 'The group has'} ${limited.join(', ')}`);
  }
  return new AppError('quota_full', sentences.length === 0 ? undefined : sentences.join('. '));
}

/** For the `catch` of a batch: throws `quota_full` with the figures of the holder, and any other error as it is. */
export async function explainFullQuota(
  db: Database,
  holder: QuotaHolder,
  defaults: QuotaDefaults,
  error: unknown,
): Promise<never> {
  throw hasCode(error, 'quota_full') ? await fullQuotaError(db, [holder], defaults) : error;
}

function share(state: QuotaState, resource: StockResource): string[] {
  const { used, limit } = state[resource];
  return limit === null ? [] : [`${used} of ${limit} ${resource}`];
}
