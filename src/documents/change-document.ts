import { createHash } from 'node:crypto';
import { jobOrigin, LEVELS, type Level, type Subject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import { enqueueJob } from '../jobs/index.ts';
import { createRedactor, type PiiPolicy, selectDocumentPolicy } from '../redaction/index.ts';
import type { Document, DocumentChange } from './document.ts';
import { isPublic, requireMayRemove } from './ownership/queries.ts';
import {
  cancelIngestionOf,
  deleteDocument,
  requireFutureExpiry,
  requireLevel,
  selectDocument,
  updateDocument,
} from './queries.ts';

/**
 * Changes what the caller may write, with personal data masked where that applies to the document. A new title is also put
 * into the word index, by a job. When it expires is for its owner to say. Throws not_found, forbidden, expiry_in_the_past.
 */
export async function changeDocument(
  { db, piiPolicy }: { db: Database; piiPolicy: PiiPolicy },
  subject: Subject,
  documentId: string,
  given: DocumentChange,
): Promise<Document> {
  const policy = await selectDocumentPolicy(db, documentId, piiPolicy);
  const change = policy === 'mask' ? createRedactor(policy).json(given) : given;
  const reindex =
    change.title === undefined
      ? []
      : enqueueJob({
          jobType: 'reindex',
          payload: { document_id: documentId },
          onBehalfOf: jobOrigin(subject),
          uniqueKey: `reindex:${documentId}:${hashOfTitle(documentId, change.title)}`,
        }).statements;
  await db.batch([
    ...requireLevel(subject, documentId, levelFor(change)),
    ...requireFutureExpiry(change.expiresAt ?? null),
    updateDocument(documentId, change),
    ...reindex,
  ]);
  const document = await selectDocument(db, subject, documentId);
  if (document === null) throw new AppError('not_found');
  return document;
}

/**
 * Removes a document and all that was made of it in one transaction; the stored originals follow by job. Only its owner
 * may, and of what is nobody's those who run the system, which is written down. Throws not_found, forbidden.
 */
export async function removeDocument({ db }: { db: Database }, subject: Subject, documentId: string): Promise<void> {
  await db.batch([
    ...requireMayRemove(subject, documentId),
    recordAudit(subject, 'document.removed', { type: 'document', id: documentId }, { when: isPublic(documentId) }),
    cancelIngestionOf(documentId),
    deleteDocument(documentId),
  ]);
}

/** An expiry of a moment from now would delete the document, which is its owner's to do. */
function levelFor({ expiresAt }: DocumentChange): Level {
  return expiresAt === undefined ? LEVELS.write : LEVELS.owner;
}

/** The job may be somebody else's and outlive the document, so it must not hold the title. */
function hashOfTitle(documentId: string, title: string): string {
  return createHash('sha256').update(`${documentId}\0${title}`).digest('hex');
}
