import { guestSubject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Statement } from '../db/database.ts';
import { proveEmail, reclaimAccount } from './queries.ts';

/**
 * Somebody has proven, by a mail or an identity provider, that the user's address is theirs, without having signed in. Notes the
 * proof; an account that was unproven until now is taken from whoever made it.
 */
export function proofOfEmail(userId: string): Statement[] {
  const target = { type: 'user', id: userId } as const;
  const noted = { onlyIfChanged: true };
  return [
    ...reclaimAccount(userId),
    recordAudit(guestSubject(), 'account.reclaimed', target, noted),
    proveEmail(userId),
    recordAudit(guestSubject(), 'email.proven', target, noted),
  ];
}
