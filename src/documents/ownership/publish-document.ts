import { LEVELS, requireRecentSignIn, type Subject } from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import type { Database } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import type { Document } from '../document.ts';
import { requireLevel, selectDocument } from '../queries.ts';
import { deleteShares, deleteTransfer, makePublic, requireIdle } from './queries.ts';

/**
 * Gives a document to everybody to read, for good: it has no owner any more, nobody changes it, and its shares end, since a
 * right to change what is nobody's would answer to nobody. Only its owner may, with a sign-in of the last minutes. Throws
 * `AppError` not_found, forbidden, sign_in_again, conflict while a job is at work on the document.
 */
export async function publishDocument(
  { db }: { db: Database },
  subject: Subject,
  documentId: string,
): Promise<Document> {
  await db.batch([
    ...requireLevel(subject, documentId, LEVELS.owner),
    requireRecentSignIn(subject),
    requireIdle(documentId),
    makePublic(documentId),
    deleteShares(documentId),
    deleteTransfer(documentId),
    recordAudit(subject, 'document.published', { type: 'document', id: documentId }),
  ]);
  const document = await selectDocument(db, subject, documentId);
  if (document === null) throw new AppError('not_found');
  return document;
}
