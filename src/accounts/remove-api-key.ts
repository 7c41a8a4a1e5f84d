import type { Subject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import { deleteApiKey } from './queries.ts';

/** Deletes a key of the caller; it is refused from then on. Throws `AppError` not_found when the caller has no such key. */
export async function removeApiKey({ db }: { db: Database }, subject: Subject, keyId: string): Promise<void> {
  if (subject.userId === null) throw new AppError('forbidden');
  const entry = recordAudit(subject, 'api_key.deleted', { type: 'api_key', id: keyId }, { onlyIfChanged: true });
  const [deleted] = await db.batch([deleteApiKey(keyId, subject.userId), entry]);
  if (deleted!.length === 0) throw new AppError('not_found');
}
