import type { Statement } from '../db/database.ts';
import {
  countChunksWithoutVersion,
  countDocumentsWithoutCurrentVersion,
  countDocumentsWithoutJob,
  countIndexedChunksWithoutWords,
  countJobsOfDeadWorkers,
  countSharesWithoutResource,
  countUnfinishedErasures,
  countVectorsWithoutVersion,
  countWordsWithoutChunk,
  countWrongQuotas,
} from './queries.ts';

/** Something that always holds for the data, at any instant and after any crash. */
export interface Invariant {
  readonly name: string;
  /** What is counted when it does not hold. */
  readonly violation: string;
  /** Counts the violations; 0 when it holds. */
  readonly sql: Statement<{ n: number }>;
  /** What an operator may do about it without making it worse. */
  readonly repair: string;
}

const DELETE_BY_HAND = (statement: string) => `Stop anyrag, copy the database, and delete them in it: ${statement}`;

/** The schema keeps most of these by foreign keys and triggers: one that is broken tells of another tool or a damaged file. */
export const INVARIANTS: readonly Invariant[] = [
  {
    name: 'documents_have_their_version',
    violation: 'documents without the version they show',
    sql: countDocumentsWithoutCurrentVersion(),
    repair: 'Delete these documents and add them again, or restore a backup.',
  },
  {
    name: 'chunks_have_versions',
    violation: 'chunks of no version',
    sql: countChunksWithoutVersion(),
    repair: DELETE_BY_HAND('DELETE FROM chunks WHERE version_id NOT IN (SELECT version_id FROM document_versions);'),
  },
  {
    name: 'vectors_have_versions',
    violation: 'rows of vectors of no version',
    sql: countVectorsWithoutVersion(),
    repair: DELETE_BY_HAND(
      'DELETE FROM chunk_vectors WHERE version_id NOT IN (SELECT version_id FROM document_versions);',
    ),
  },
  {
    name: 'words_have_chunks',
    violation: 'rows of the word index of no chunk',
    sql: countWordsWithoutChunk(),
    repair: DELETE_BY_HAND('DELETE FROM chunk_words WHERE rowid NOT IN (SELECT chunk_seq FROM chunks);'),
  },
  {
    name: 'indexed_chunks_have_words',
    violation: 'indexed chunks that are not in the word index',
    sql: countIndexedChunksWithoutWords(),
    repair: 'Add these documents again; until then they are not found by their words.',
  },
  {
    name: 'shares_have_resources',
    violation: 'shares of documents that are gone',
    sql: countSharesWithoutResource(),
    repair: DELETE_BY_HAND('DELETE FROM resource_shares WHERE resource_id NOT IN (SELECT document_id FROM documents);'),
  },
  {
    name: 'jobs_have_living_workers',
    violation: 'jobs held by workers that are gone',
    sql: countJobsOfDeadWorkers(),
    repair: 'Start a worker ("anyrag up" or "anyrag worker"): within seconds it takes them over.',
  },
  {
    name: 'waiting_documents_have_jobs',
    violation: 'documents that wait for a job that does not exist',
    sql: countDocumentsWithoutJob(),
    repair: 'Delete these documents and add them again.',
  },
  {
    name: 'quotas_count_what_is_there',
    violation: 'users or groups whose counted documents, bytes or passages are not those they have',
    sql: countWrongQuotas(),
    repair: 'Limits are asked of the wrong numbers; restore a backup, or report how it came about.',
  },
  {
    name: 'erased_accounts_go',
    violation: 'accounts that were to be erased more than a day ago and are not gone',
    sql: countUnfinishedErasures(),
    repair: 'Start a worker: it goes on within the hour. Where one runs, its log says why jobs of erase_accounts fail.',
  },
];
