import { createHash } from 'node:crypto';
import { jobOrigin, type Subject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import { newId } from '../base/ids.ts';
import { ConstraintError, type Database, type Statement } from '../db/database.ts';
import { requireFutureExpiry, type SourceType } from '../documents/index.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import { type Enqueued, enqueueJob, insertIdempotentAnswer, selectIdempotentAnswer } from '../jobs/index.ts';
import { fullQuotaError, type QuotaHolder, requireRoom } from '../quotas/index.ts';
import {
  createRedactor,
  type PiiCounts,
  type PiiPolicy,
  selectDocumentPolicy,
  selectGroupPolicy,
  strictestPolicy,
} from '../redaction/index.ts';
import type { Storage, StoredFile } from '../storage/index.ts';
import {
  insertVersion,
  type NewContent,
  requireGroupEditor,
  requireMayShare,
  requireSameDocument,
  selectDocumentIdBySource,
  shareWithGroup,
  upsertDocument,
} from './queries.ts';
import { redactFields } from './redaction/redact-fields.ts';
import { type IngestionRules, jobLimit } from './rules.ts';

const GUEST_CONTENT_MS = 24 * 3_600_000;
const INGEST_ATTEMPTS = 5;

/** What every way of adding content may say about it. */
export interface ContentFields {
  title: string | null;
  source: string | null;
  groupId: string | null;
  tags: string[] | null;
  metadata: Record<string, unknown> | null;
  /** Milliseconds since 1970. */
  expiresAt: number | null;
}

export interface IngestionRequest {
  subject: Subject;
  /** Whose Idempotency-Keys these are: the user, or the address of a guest. */
  caller: string;
  sourceType: SourceType;
  fields: ContentFields;
  content:
    | { kind: 'file'; stored: StoredFile; fileName: string | null; mediaType: string | null }
    | { kind: 'url'; url: string };
  idempotencyKey: string | null;
  trace: string | null;
}

export interface Accepted {
  jobId: string;
  documentId: string;
  /** For guests only: what they poll the job with. */
  jobToken: string | null;
}

export interface AcceptDependencies {
  db: Database;
  storage: Storage;
  rules: IngestionRules;
}

/**
 * Takes content in: document, version, share and job are created in one transaction, or nothing is, and then the stored
 * file is deleted again. Throws not_found or forbidden for a group the caller may not add to, idempotency_conflict for a key that was
 * used for something else, quota_full, and personal_data_in_source where such data is masked.
 */
export async function acceptContent(deps: AcceptDependencies, asked: IngestionRequest): Promise<Accepted> {
  const request = forGroupOfKey(asked);
  try {
    const { accepted, isRepeat } = await acceptOnce(deps, request);
    if (isRepeat) await discard(deps.storage, request);
    return accepted;
  } catch (error) {
    // When the answer of the database was lost, the document may exist: a file too many is better than one too few.
    if (!hasCode(error, 'database_unavailable')) await discard(deps.storage, request);
    throw hasCode(error, 'quota_full') ? await fullQuotaError(deps.db, holders(request), deps.rules.quotas) : error;
  }
}

function holders({ subject, fields }: IngestionRequest): QuotaHolder[] {
  const user = subject.userId === null ? [] : [{ kind: 'user' as const, id: subject.userId }];
  return fields.groupId === null ? user : [...user, { kind: 'group', id: fields.groupId }];
}

/** What comes by a key of one group goes to that group. Naming another one fails, since the key is not in it. */
function forGroupOfKey(request: IngestionRequest): IngestionRequest {
  const { fields, subject } = request;
  return { ...request, fields: { ...fields, groupId: fields.groupId ?? subject.groupId } };
}

/** Losing a race against an equal request or one for the same source is settled by looking again. */
async function acceptOnce(deps: AcceptDependencies, request: IngestionRequest, tries = 3) {
  const { db } = deps;
  const { caller } = request;
  const repeat = await earlierAnswer(db, caller, request);
  if (repeat !== null) return { accepted: repeat, isRepeat: true };
  const existingId = await existingDocument(db, request);
  const policy = await policyFor(deps, request, existingId);
  const content = newContent(redactRequest(request, policy), policy, existingId);
  const { job, statements } = creation(content, request, deps.rules);
  const accepted: Accepted = { jobId: job.jobId, documentId: content.documentId, jobToken: job.pollToken };
  try {
    await db.batch([...statements, ...remember(caller, request, accepted)]);
    return { accepted, isRepeat: false };
  } catch (error) {
    const lostRace = hasCode(error, 'conflict') || (error instanceof ConstraintError && error.kind === 'unique');
    if (!lostRace || tries <= 1) throw error;
    return acceptOnce(deps, request, tries - 1);
  }
}

function creation(
  content: NewContent,
  request: IngestionRequest,
  rules: IngestionRules,
): { job: Enqueued; statements: Statement[] } {
  const { subject, fields } = request;
  const job = enqueueJob({
    jobType: 'ingest',
    payload: { version_id: content.versionId, document_id: content.documentId },
    onBehalfOf: jobOrigin(subject),
    trace: request.trace,
    maxAttempts: INGEST_ATTEMPTS,
    uniqueKey: `ingest:${content.versionId}`,
    limit: jobLimit(rules, subject.userId),
  });
  const share =
    fields.groupId === null
      ? []
      : [
          ...requireGroupEditor(subject, fields.groupId),
          shareWithGroup(newId(), content.documentId, fields.groupId),
          recordAudit(
            subject,
            'share.granted',
            { type: 'document', id: content.documentId },
            { detail: { grantee_type: 'group', group_id: fields.groupId, permission: 'write' }, onlyIfChanged: true },
          ),
        ];
  const statements = [
    ...requireFutureExpiry(fields.expiresAt),
    ...(fields.groupId === null ? [] : [requireMayShare(subject, content.documentId, fields.groupId)]),
    upsertDocument(content),
    requireSameDocument(content),
    insertVersion(content),
    ...share,
    // A new version adds no document: whoever has too many may still replace what is there.
    ...requireRoom(content.documentId, content.isNew ? ['documents', 'bytes'] : ['bytes'], rules.quotas),
    ...job.statements,
  ];
  return { job, statements };
}

async function existingDocument(db: Database, { subject, fields }: IngestionRequest): Promise<string | null> {
  if (subject.userId === null || fields.source === null) return null;
  return selectDocumentIdBySource(db, subject.userId, fields.source);
}

/** The strictest of the setting, of the group that the content is for, and of those that see the document already. */
async function policyFor(
  { db, rules }: AcceptDependencies,
  { fields }: IngestionRequest,
  existingId: string | null,
): Promise<PiiPolicy> {
  return strictestPolicy(
    rules.piiPolicy,
    fields.groupId === null ? 'off' : await selectGroupPolicy(db, fields.groupId),
    existingId === null ? 'off' : await selectDocumentPolicy(db, existingId, rules.piiPolicy),
  );
}

interface RedactedRequest extends IngestionRequest {
  provisionalTitle: string;
  piiCounts: PiiCounts;
}

/**
 * The request as it may be stored. The source is the identity of the document, so it is never changed: two that differ in
 * what would be masked would become one. What is only counted is counted with the content, by the job.
 */
function redactRequest(request: IngestionRequest, policy: PiiPolicy): RedactedRequest {
  const redactor = createRedactor(policy === 'mask' ? 'mask' : 'off');
  const { source } = request.fields;
  if (source !== null && redactor.text(source) !== source) throw new AppError('personal_data_in_source');
  const { fileName, ...fields } = redactFields({ ...request.fields, fileName: fileNameOf(request) }, redactor);
  const content = request.content.kind === 'file' ? { ...request.content, fileName } : request.content;
  const redacted = { ...request, content, fields: { ...request.fields, ...fields } };
  return { ...redacted, provisionalTitle: redactor.text(provisionalTitle(redacted)), piiCounts: redactor.counts };
}

function fileNameOf({ content }: IngestionRequest): string | null {
  return content.kind === 'file' ? content.fileName : null;
}

function newContent(request: RedactedRequest, policy: PiiPolicy, existingId: string | null): NewContent {
  const { subject, fields, content } = request;
  const newDocumentId = newId();
  const source = fields.source ?? newDocumentId;
  return {
    documentId: existingId ?? newDocumentId,
    isNew: existingId === null,
    versionId: newId(),
    ownerId: subject.userId,
    sourceType: request.sourceType,
    source,
    provisionalTitle: request.provisionalTitle,
    title: fields.title,
    tags: fields.tags,
    metadata: fields.metadata,
    expiresAt: fields.expiresAt,
    lifetimeMs: subject.userId === null ? GUEST_CONTENT_MS : null,
    piiPolicy: policy,
    piiCounts: request.piiCounts,
    url: content.kind === 'url' ? content.url : null,
    file:
      content.kind === 'url'
        ? null
        : {
            storageKey: content.stored.key,
            bytes: content.stored.bytes,
            contentHash: content.stored.sha256,
            fileName: content.fileName,
            mediaType: content.mediaType,
          },
  };
}

function provisionalTitle({ content, sourceType }: IngestionRequest): string {
  if (content.kind === 'url') {
    const url = new URL(content.url);
    return `${url.host}${url.pathname}`.slice(0, 500);
  }
  const name = content.fileName?.replace(/\.[^.]{1,8}$/, '').trim() ?? '';
  return name === '' ? `Untitled ${sourceType}` : name.slice(0, 500).toWellFormed();
}

async function earlierAnswer(db: Database, caller: string, request: IngestionRequest): Promise<Accepted | null> {
  if (request.idempotencyKey === null) return null;
  const earlier = await selectIdempotentAnswer(db, caller, request.idempotencyKey);
  if (earlier === null) return null;
  if (earlier.requestHash !== hashOf(request)) throw new AppError('idempotency_conflict');
  return earlier.answer as unknown as Accepted;
}

function remember(caller: string, request: IngestionRequest, accepted: Accepted): Statement[] {
  if (request.idempotencyKey === null) return [];
  return insertIdempotentAnswer({
    caller,
    key: request.idempotencyKey,
    requestHash: hashOf(request),
    answer: accepted,
  });
}

/** Two requests are the same when they would store the same content with the same fields. */
function hashOf(request: IngestionRequest): string {
  const { content } = request;
  const what = content.kind === 'url' ? content.url : [content.stored.sha256, content.fileName, content.mediaType];
  return createHash('sha256')
    .update(JSON.stringify([request.sourceType, request.fields, what]))
    .digest('hex');
}

async function discard(storage: Storage, { content }: IngestionRequest): Promise<void> {
  if (content.kind === 'file') await storage.delete(content.stored.key);
}
