import type { Permission, Subject } from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import { newId } from '../../base/ids.ts';
import type { Database } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import { explainFullQuota, type QuotaDefaults, requireRoomOf } from '../../quotas/index.ts';
import { requireFutureEnd, requireMayReceive } from '../groups/queries.ts';
import {
  deleteShare,
  isNoNewShare,
  requireMayChangeShare,
  requireMayEndShare,
  requireMayOfferTo,
  requireMayShare,
  requireNotOwner,
  requireShareList,
  type SharePage,
  selectShare,
  selectSharesOfDocument,
  selectSharesWithGroup,
  toShare,
  upsertShare,
} from './queries.ts';
import type { Grantee, Share } from './share.ts';

export interface ShareRequest {
  readonly documentId: string;
  readonly grantee: Grantee;
  readonly permission: Permission;
  /** Milliseconds; null: never. */
  readonly expiresAt: number | null;
}

/**
 * Shares a document with a user, or with a group that the caller may add content to. Whoever may manage it gives up to
 * `write`, its owner `manage` as well. The same share again gets the new permission and end. Throws `AppError` not_found for a
 * document, user or group that is not there for the caller, forbidden, conflict for its own owner, expiry_in_the_past,
 * quota_full for a group that has no room for it.
 */
export async function shareDocument(
  { db, quotas }: { db: Database; quotas: QuotaDefaults },
  subject: Subject,
  request: ShareRequest,
): Promise<{ share: Share; isNew: boolean }> {
  const { documentId, grantee, permission, expiresAt } = request;
  const shareId = newId();
  const checks = [
    ...requireMayShare(subject, documentId, permission),
    ...granteeChecks(subject, documentId, grantee),
    requireMayChangeShare(subject, documentId, grantee),
    ...requireFutureEnd(expiresAt),
  ];
  const statements = [
    ...checks,
    upsertShare({ shareId, documentId, grantee, permission, expiresAt }),
    recordAudit(
      subject,
      'share.granted',
      { type: 'document', id: documentId },
      about(grantee, { permission, expiresAt }),
    ),
    ...(grantee.type === 'group'
      ? [requireRoomOf({ kind: 'group', id: grantee.id }, quotas, isNoNewShare(shareId))]
      : []),
  ];
  const rows = await db
    .batch(statements)
    .catch((error: unknown) => explainFullQuota(db, { kind: grantee.type, id: grantee.id }, quotas, error));
  const share = toShare(rows[checks.length]![0]!);
  return { share, isNew: share.shareId === shareId };
}

function granteeChecks(subject: Subject, documentId: string, { type, id }: Grantee) {
  if (type === 'group') return requireMayOfferTo(subject, id);
  return [requireMayReceive(id), requireNotOwner(documentId, id)];
}

/** Shares of a document, newest first, for whoever manages it. Throws `AppError` not_found, forbidden. */
export async function listSharesOfDocument(
  { db }: { db: Database },
  subject: Subject,
  documentId: string,
  page: SharePage,
): Promise<Share[]> {
  await db.batch(requireShareList(subject, documentId));
  return selectSharesOfDocument(db, documentId, page);
}

/** What is shared with a group, newest first, for its editors and admins. Throws `AppError` not_found, forbidden. */
export async function listSharesWithGroup(
  { db }: { db: Database },
  subject: Subject,
  groupId: string,
  page: SharePage,
): Promise<Share[]> {
  await db.batch(requireMayOfferTo(subject, groupId));
  return selectSharesWithGroup(db, subject, groupId, page);
}

/**
 * Ends a share at once: by whoever manages the document (the owner, if it is one for managing), whoever it was given to, or an
 * admin of the group it was given to. Throws `AppError` not_found, forbidden.
 */
export async function endShare({ db }: { db: Database }, subject: Subject, shareId: string): Promise<void> {
  const share = await selectShare(db, shareId);
  if (share === null) throw new AppError('not_found');
  await db.batch([
    ...requireMayEndShare(subject, share),
    deleteShare(shareId),
    recordAudit(
      subject,
      'share.revoked',
      { type: 'document', id: share.resourceId },
      about(share.grantee, { permission: share.permission }),
    ),
  ]);
}

function about(
  { type, id }: Grantee,
  { permission, expiresAt }: { permission: Permission; expiresAt?: number | null },
) {
  return {
    concerns: type === 'user' ? id : null,
    detail: {
      grantee_type: type,
      ...(type === 'group' && { group_id: id }),
      permission,
      ...(expiresAt !== undefined && { expires_at: expiresAt }),
    },
  };
}
