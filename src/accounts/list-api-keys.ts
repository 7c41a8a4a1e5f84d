import type { Subject } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import type { ApiKey } from './api-key.ts';
import { selectApiKeys } from './queries.ts';

export interface ApiKeyPage {
  /** Continues after this key; null: from the newest. */
  readonly before: { readonly createdAt: number; readonly keyId: string } | null;
  readonly limit: number;
}

/** The caller's keys, newest first, at most `limit`. Throws `AppError` forbidden for callers without a user. */
export async function listApiKeys({ db }: { db: Database }, subject: Subject, page: ApiKeyPage): Promise<ApiKey[]> {
  if (subject.userId === null) throw new AppError('forbidden');
  return selectApiKeys(db, subject.userId, page);
}
