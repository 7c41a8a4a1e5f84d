import { extname } from 'node:path';
import { credentialStands, openText, type Secrets, type Subject } from '../../access/index.ts';
import { type AuditEntry, recordAudit, selectAuditEntries } from '../../audit/index.ts';
import { toTimestamp, toTimestampOrNull } from '../../base/timestamps.ts';
import type { Database } from '../../db/database.ts';
import {
  type Document,
  listTransfers,
  selectDocuments,
  selectOriginalFile,
  selectText,
  type Transfer,
} from '../../documents/index.ts';
import { AppError } from '../../errors/app-error.ts';
import { type Job, selectJobs } from '../../jobs/index.ts';
import { type QuotaDefaults, readOwnQuota } from '../../quotas/index.ts';
import type { Storage } from '../../storage/index.ts';
import { type ApiKey, apiKeyToJson } from '../api-key.ts';
import { listApiKeys } from '../list-api-keys.ts';
import { ownSession } from '../logout.ts';
import { me } from '../profile.ts';
import {
  type ReceivedShareRow,
  selectAccountDetails,
  selectInvitationsOf,
  selectMemberships,
  selectSessions,
  selectSharesOf,
  selectSharesTo,
} from './queries.ts';
import type { ArchiveEntry } from './zip-entries.ts';

export interface ExportDependencies {
  readonly db: Database;
  readonly secrets: Secrets;
  readonly storage: Storage;
  readonly quotas: QuotaDefaults;
}

/** Rows that are read at a time. */
const PAGE = 100;
const PERMISSIONS = ['read', 'write', 'manage'] as const;
/** What the end of a name may say of its format; nothing else of a name gets into a path. */
const EXTENSION = /^\.[a-z0-9]{1,10}$/i;

/**
 * Everything that is kept of the caller, as files of an archive that are read one after the other: nothing is held but a page
 * of rows and one text. Of others it has what the caller may see anyway. Written down first. What is not the caller's any more
 * while it is read is left out; it ends with rights_revoked when the session does. Throws `AppError` forbidden without a session.
 */
export async function exportAccount(deps: ExportDependencies, subject: Subject): Promise<AsyncIterable<ArchiveEntry>> {
  const { userId } = ownSession(subject);
  await deps.db.batch([recordAudit(subject, 'user.exported', { type: 'user', id: userId })]);
  return entriesOf(deps, subject, userId);
}

async function* entriesOf(deps: ExportDependencies, subject: Subject, userId: string): AsyncGenerator<ArchiveEntry> {
  const { db } = deps;
  const mine = <T>(rows: AsyncIterable<T>) => whileSignedIn(db, subject, rows);
  yield { path: 'profile.json', content: single(await profile(deps, subject, userId)) };
  yield { path: 'usage.json', content: single(await usage(deps, subject)) };
  yield { path: 'groups.ndjson', content: lines(mine(memberships(db, userId))) };
  yield { path: 'sessions.ndjson', content: lines(mine(sessions(db, userId))) };
  yield { path: 'api-keys.ndjson', content: lines(mine(apiKeys(db, subject))) };
  yield { path: 'invitations.ndjson', content: lines(mine(invitations(deps, userId))) };
  yield { path: 'transfers.ndjson', content: lines(mine(transfers(db, subject))) };
  yield { path: 'shared-with-you.ndjson', content: lines(mine(sharesTo(db, userId))) };
  yield { path: 'jobs.ndjson', content: lines(mine(jobs(db, userId))) };
  yield { path: 'audit.ndjson', content: lines(mine(audit(db, userId))) };
  yield { path: 'documents.ndjson', content: lines(mine(documentRecords(db, subject, userId))) };
  for await (const { documentId } of mine(ownDocuments(db, subject))) yield* filesOf(deps, subject, documentId);
}

/** What takes long looks again: whoever signs out everywhere ends a copy that somebody else is taking. */
async function* whileSignedIn<T>(db: Database, subject: Subject, rows: AsyncIterable<T>): AsyncGenerator<T> {
  let seen = 0;
  for await (const row of rows) {
    if (seen++ % PAGE === 0 && !(await credentialStands({ db }, subject))) throw new AppError('rights_revoked');
    yield row;
  }
}

async function* single(value: object): AsyncGenerator<string> {
  yield `${JSON.stringify(value, null, 2)}\n`;
}

async function* lines(rows: AsyncIterable<object>): AsyncGenerator<string> {
  for await (const row of rows) yield `${JSON.stringify(row)}\n`;
}

/** Row by row over a list that is read in pages; `next` is told the last row of the page before. */
async function* paged<T>(next: (last: T | null) => Promise<T[]>): AsyncGenerator<T> {
  for (let last: T | null = null; ; ) {
    const page: T[] = await next(last);
    yield* page;
    if (page.length < PAGE) return;
    last = page.at(-1)!;
  }
}

async function profile(deps: ExportDependencies, subject: Subject, userId: string) {
  const user = await me(deps, subject);
  const details = await selectAccountDetails(deps.db, userId);
  return {
    user_id: user.userId,
    email: user.email,
    email_state: details?.email_state,
    name: user.name,
    system_roles: user.systemRoles,
    has_password: details?.has_password === 1,
    identities_elsewhere: details?.identities,
    created_at: toTimestamp(user.createdAt),
  };
}

async function usage({ db, quotas }: ExportDependencies, subject: Subject) {
  const { documents, bytes, chunks, tokensPerDay } = await readOwnQuota({ db, quotas }, subject);
  return { documents, bytes, chunks, tokens_today: tokensPerDay };
}

async function* memberships(db: Database, userId: string) {
  for (const { created_at, expires_at, ...row } of await selectMemberships(db, userId)) {
    yield { ...row, created_at: toTimestamp(created_at), expires_at: toTimestampOrNull(expires_at) };
  }
}

async function* sessions(db: Database, userId: string) {
  for (const { session_id, created_at, expires_at, revoked_at } of await selectSessions(db, userId)) {
    const times = { created_at: toTimestamp(created_at), expires_at: toTimestamp(expires_at) };
    yield { session_id, ...times, revoked_at: toTimestampOrNull(revoked_at) };
  }
}

async function* apiKeys(db: Database, subject: Subject) {
  for await (const key of paged((before: ApiKey | null) => listApiKeys({ db }, subject, { before, limit: PAGE }))) {
    yield apiKeyToJson(key);
  }
}

async function* invitations({ db, secrets }: ExportDependencies, userId: string) {
  for (const row of await selectInvitationsOf(db, userId)) {
    const place = { column: 'invitations.email_sealed', row: row.invitation_id } as const;
    yield {
      invitation_id: row.invitation_id,
      direction: row.is_sent === 1 ? 'sent' : 'received',
      group_id: row.group_id,
      email: openText(secrets, row.email_sealed, place),
      role: row.role,
      created_at: toTimestamp(row.created_at),
      expires_at: toTimestamp(row.expires_at),
    };
  }
}

async function* transfers(db: Database, subject: Subject) {
  for await (const transfer of paged((before: Transfer | null) =>
    listTransfers({ db }, subject, { before, limit: PAGE }),
  )) {
    yield {
      document_id: transfer.documentId,
      from_user_id: transfer.fromUserId,
      to_user_id: transfer.toUserId,
      created_at: toTimestamp(transfer.createdAt),
      expires_at: toTimestamp(transfer.expiresAt),
    };
  }
}

async function* sharesTo(db: Database, userId: string) {
  for await (const row of paged((last: ReceivedShareRow | null) =>
    selectSharesTo(db, userId, { afterId: last?.resource_id ?? '', limit: PAGE }),
  )) {
    yield shareToJson(row);
  }
}

function shareToJson<S extends { level: number; created_at: number; expires_at: number | null }>(share: S) {
  const { level, created_at, expires_at, ...ids } = share;
  const permission = PERMISSIONS[level - 1];
  return { ...ids, permission, created_at: toTimestamp(created_at), expires_at: toTimestampOrNull(expires_at) };
}

async function* jobs(db: Database, userId: string) {
  const audience = { all: false, ownerId: userId, pollTokenHash: null };
  for await (const { job } of paged((last: { seq: number; job: Job } | null) =>
    selectJobs(db, audience, { status: null, jobType: null, beforeSeq: last?.seq ?? null, limit: PAGE }),
  )) {
    yield {
      job_id: job.jobId,
      job_type: job.jobType,
      status: job.status,
      error: job.error,
      attempts: job.attempts,
      created_at: toTimestamp(job.createdAt),
      started_at: toTimestampOrNull(job.startedAt),
      finished_at: toTimestampOrNull(job.finishedAt),
    };
  }
}

/** What the user did, and what was done to or for them; who else did it is not theirs to know. */
async function* audit(db: Database, userId: string) {
  const everything = { action: null, actorId: null, targetType: null, targetId: null, since: null, until: null };
  for await (const entry of paged((last: AuditEntry | null) =>
    selectAuditEntries(db, { ...everything, userId, beforeSeq: last?.seq ?? null, limit: PAGE }),
  )) {
    const isOwn = entry.actorId === userId;
    yield {
      at: toTimestamp(entry.at),
      by: isOwn ? 'you' : 'another',
      via: isOwn ? entry.via : undefined,
      credential_id: isOwn ? entry.credentialId : undefined,
      action: entry.action,
      target_type: entry.targetType,
      target_id: entry.targetId,
      concerned_id: entry.concernedId,
      detail: entry.detail,
    };
  }
}

function ownDocuments(db: Database, subject: Subject): AsyncGenerator<Document> {
  const own = { groupId: null, ownerId: subject.userId, tag: null, sourceType: null, titlePart: null, limit: PAGE };
  return paged((last: Document | null) => selectDocuments(db, subject, { ...own, beforeId: last?.documentId ?? null }));
}

async function* documentRecords(db: Database, subject: Subject, userId: string) {
  for await (const document of ownDocuments(db, subject)) {
    const { documentId } = document;
    yield {
      document_id: documentId,
      title: document.title,
      source: document.source,
      source_type: document.sourceType,
      file_name: (await selectOriginalFile(db, subject, documentId))?.fileName ?? null,
      media_type: document.mediaType,
      bytes: document.bytes,
      language: document.language,
      version: document.version,
      status: document.status,
      tags: document.tags,
      metadata: document.metadata,
      pii_policy: document.piiPolicy,
      pii: document.pii,
      shares: (await selectSharesOf(db, userId, documentId)).map(shareToJson),
      created_at: toTimestamp(document.createdAt),
      updated_at: toTimestamp(document.updatedAt),
      expires_at: toTimestampOrNull(document.expiresAt),
    };
  }
}

/** The text that was read of a document, and the file as it was given. */
async function* filesOf(
  { db, storage }: ExportDependencies,
  subject: Subject,
  documentId: string,
): AsyncGenerator<ArchiveEntry> {
  const text = await selectText(db, subject, documentId);
  if (text !== null) yield { path: `documents/${documentId}/text.txt`, content: once(text) };
  const file = await selectOriginalFile(db, subject, documentId);
  if (file === null || file.storageKey === null) return;
  const extension = extname(file.fileName ?? '');
  const path = `documents/${documentId}/original${EXTENSION.test(extension) ? extension : ''}`;
  yield { path, content: await storage.open(file.storageKey) };
}

async function* once(text: string): AsyncGenerator<string> {
  yield text;
}
