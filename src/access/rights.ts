import { type Cache, jsonCodec } from '../cache/index.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import { type ActiveUser, type Rights, selectRights } from './queries.ts';

/** An epoch never comes back, so its rights may be kept as long as there is room; a day bounds what idle users take up. */
const TTL_MS = 86_400_000;
const codec = jsonCodec<Rights>();

/**
 * Roles and memberships of a user in the epoch that this request has found them in. Where the epoch has moved on meanwhile,
 * they are those of the later one, and say so. Throws `AppError` invalid_credentials when the user is disabled or gone.
 */
export function readRights(
  { db, cache }: { db: Database; cache?: Cache },
  { userId, epoch }: ActiveUser,
): Promise<Rights> {
  const read = () => readNow(db, userId);
  if (cache === undefined) return read();
  return cache.getOrCompute({ name: 'rights', key: `1:${userId}:${epoch}`, userId, ttlMs: TTL_MS, codec }, read);
}

async function readNow(db: Database, userId: string): Promise<Rights> {
  const rights = await selectRights(db, userId);
  if (rights === null) throw new AppError('invalid_credentials');
  return rights;
}
