import { LEVELS, type Subject } from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import type { Database } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import { explainFullQuota, type QuotaDefaults, requireRoomOf } from '../../quotas/index.ts';
import type { Document } from '../document.ts';
import { requireLevel, selectDocument } from '../queries.ts';
import {
  changeOwner,
  deleteSharesWith,
  deleteTransfer,
  requireIdle,
  requireNewOwner,
  requireOffered,
  requireOther,
  requireProven,
  requireTransfer,
  selectTransfer,
  selectTransfers,
  type TransferPage,
  upsertTransfer,
} from './queries.ts';
import type { Transfer } from './transfer.ts';

/**
 * Offers a document to another user, who has seven days to accept; until then nothing changes. Another offer replaces it. Only
 * its owner may. Throws `AppError` not_found for a document or user that is not there for the caller, forbidden, conflict for
 * an offer to oneself.
 */
export async function offerTransfer(
  { db }: { db: Database },
  subject: Subject,
  documentId: string,
  toUserId: string,
): Promise<Transfer> {
  const userId = userOf(subject);
  await db.batch([
    ...requireLevel(subject, documentId, LEVELS.owner),
    requireNewOwner(toUserId),
    requireOther(subject, toUserId),
    upsertTransfer(documentId, userId, toUserId),
    recordAudit(subject, 'transfer.offered', { type: 'document', id: documentId }, { concerns: toUserId }),
  ]);
  const transfer = await selectTransfer(db, documentId);
  if (transfer === null) throw new AppError('not_found');
  return transfer;
}

/** Takes an offer back. Only the owner may. Throws `AppError` not_found, forbidden. */
export async function withdrawTransfer({ db }: { db: Database }, subject: Subject, documentId: string): Promise<void> {
  await db.batch([
    ...requireLevel(subject, documentId, LEVELS.owner),
    requireTransfer(documentId),
    deleteTransfer(documentId),
    recordAudit(subject, 'transfer.withdrawn', { type: 'document', id: documentId }),
  ]);
}

/**
 * Makes the caller the owner of a document that was offered to them. The old owner keeps nothing; shares with others stay, and
 * are the new owner's to end. Throws `AppError` not_found without an offer that still stands, email_unproven, quota_full,
 * conflict while a job is at work on the document.
 */
export async function acceptTransfer(
  { db, quotas }: { db: Database; quotas: QuotaDefaults },
  subject: Subject,
  documentId: string,
): Promise<Document> {
  const userId = userOf(subject);
  const transfer = await selectTransfer(db, documentId);
  if (transfer === null) throw new AppError('not_found');
  const newOwner = { kind: 'user', id: userId } as const;
  const statements = [
    requireOffered(documentId, userId),
    requireProven(subject),
    requireIdle(documentId),
    changeOwner(documentId, userId),
    requireRoomOf(newOwner, quotas),
    deleteSharesWith(documentId, userId),
    deleteTransfer(documentId),
    recordAudit(subject, 'transfer.accepted', { type: 'document', id: documentId }, { concerns: transfer.fromUserId }),
  ];
  await db.batch(statements).catch((error: unknown) => explainFullQuota(db, newOwner, quotas, error));
  const document = await selectDocument(db, subject, documentId);
  if (document === null) throw new AppError('not_found');
  return document;
}

/** Refuses what was offered to the caller. Throws `AppError` not_found. */
export async function declineTransfer({ db }: { db: Database }, subject: Subject, documentId: string): Promise<void> {
  const transfer = await selectTransfer(db, documentId);
  if (transfer === null) throw new AppError('not_found');
  await db.batch([
    requireOffered(documentId, userOf(subject)),
    deleteTransfer(documentId),
    recordAudit(subject, 'transfer.declined', { type: 'document', id: documentId }, { concerns: transfer.fromUserId }),
  ]);
}

/** Open offers by the caller and to them, newest first. */
export function listTransfers({ db }: { db: Database }, subject: Subject, page: TransferPage): Promise<Transfer[]> {
  return selectTransfers(db, userOf(subject), page);
}

function userOf({ userId }: Subject): string {
  if (userId === null) throw new AppError('forbidden');
  return userId;
}
