import { anonymiseAudit } from '../../audit/index.ts';
import { deleteEntriesOf } from '../../cache/index.ts';
import type { Statement } from '../../db/database.ts';
import { deleteDocumentsOf, deleteTransfersOf, endSharesOfDocumentsOf } from '../../documents/index.ts';
import { cancelJobsOf, deleteIdempotentAnswersOf, deleteJobsOf, deleteLanesOf, deleteRate } from '../../jobs/index.ts';
import { deleteMailTo } from '../../mail/index.ts';
import { mailRateOf } from '../account-mail.ts';
import { deleteRights, deleteSignIns, markErased } from './queries.ts';

/**
 * What becomes of each table when a person is erased. Together these name every table there is: a test compares them with the
 * database, so that whoever adds a table has to say here what is in it.
 */
export const ERASURE_PLAN = {
  /** In the transaction of the request: whatever lets somebody in, and whatever shows something of the person to others. */
  atOnce: [
    'users',
    'user_identifiers',
    'credentials',
    'sessions',
    'api_keys',
    'one_time_tokens',
    'oidc_attempts',
    'sign_in_codes',
    'user_roles',
    'group_memberships',
    'invitations',
    'resource_shares',
    'document_transfers',
    'outgoing_mail',
    'job_rates',
  ],
  /** By the job, a slice at a time: of these there may be any number. */
  inSlices: [
    'jobs',
    'job_logs',
    'documents',
    'chunks',
    'chunk_vectors',
    'document_parts',
    'embedding_cache',
    'idempotency_keys',
    'job_lanes',
    'cache',
    'audit_log',
    'chunk_words',
  ],
  /** With rows of the above, by foreign key or trigger. */
  along: ['refresh_tokens', 'user_quotas', 'document_versions', 'document_texts', 'job_blobs'],
  /** Nothing of anybody in particular: groups and what belongs to them, the machinery, figures. */
  impersonal: [
    'groups',
    'group_policies',
    'group_quotas',
    'signing_keys',
    'embedding_models',
    'cache_size',
    'workers',
    'job_queues',
    'job_pauses',
    'job_paces',
    'job_schedules',
    'job_schedule_fires',
    'schema_migrations',
  ],
} as const;

/** Ends the account. `emailHmac` is what its address is found by; null where it has none. */
export function eraseAtOnce(userId: string, emailHmac: string | null): Statement[] {
  return [
    markErased(userId),
    ...(emailHmac === null ? [] : deleteRate(mailRateOf(emailHmac))),
    ...deleteSignIns(userId),
    ...deleteRights(userId),
    endSharesOfDocumentsOf(userId),
    ...deleteTransfersOf(userId),
    deleteMailTo(userId),
    cancelJobsOf(userId),
  ];
}

/** Each to be run until none of its statements answers anything. */
export function slicesOf(userId: string, pseudonym: `erased-${string}`): { stage: string; statements: Statement[] }[] {
  return [
    { stage: 'jobs', statements: deleteJobsOf(userId) },
    { stage: 'documents', statements: deleteDocumentsOf(userId) },
    { stage: 'answers', statements: [deleteIdempotentAnswersOf(userId)] },
    { stage: 'turns', statements: [deleteLanesOf(userId)] },
    { stage: 'cache', statements: [deleteEntriesOf(userId)] },
    { stage: 'audit', statements: anonymiseAudit(userId, pseudonym) },
  ];
}
