import { nextRotationStep, replaceSigningKeys, type Secrets, type Subject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Database } from '../db/database.ts';

const KEY_SET = { type: 'system', id: 'signing_keys' } as const;

export interface RotationResult {
  /** A key was published that will sign in a quarter of an hour. */
  published: boolean;
  /** The key that was published before signs now. */
  activated: boolean;
}

/**
 * Does the next step of the rotation of signing keys, if one is due; `atOnce` publishes the next key now. Running it twice, or
 * in two processes, does no more than once. Throws `AppError` config_invalid under another secret than that of the database.
 */
export async function rotateSigningKeys(
  { db, secrets }: { db: Database; secrets: Secrets },
  subject: Subject,
  options: { atOnce?: boolean } = {},
): Promise<RotationResult> {
  const { promote, publish, clear } = await nextRotationStep({ db, secrets }, options);
  const noted = { onlyIfChanged: true };
  const promotion = [...promote, recordAudit(subject, 'signing_key.activated', KEY_SET, noted)];
  const rows = await db.batch([
    ...promotion,
    ...(publish.length === 0 ? [] : [...publish, recordAudit(subject, 'signing_key.published', KEY_SET, noted)]),
    ...clear,
  ]);
  return { activated: rows[promote.length - 1]!.length > 0, published: publish.length > 0 };
}

/** Makes every access token invalid and lets a new key sign: for a key that somebody else may have. */
export async function revokeSigningKeys(
  { db, secrets }: { db: Database; secrets: Secrets },
  subject: Subject,
): Promise<void> {
  await db.batch([...(await replaceSigningKeys(secrets)), recordAudit(subject, 'signing_key.replaced', KEY_SET)]);
}
