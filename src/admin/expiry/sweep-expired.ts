import type { Subject } from '../../access/index.ts';
import {
  deleteExpiredInvitations,
  deleteExpiredMemberships,
  deleteExpiredSessions,
  deleteExpiredShares,
  deleteExpiredTokens,
} from '../../accounts/index.ts';
import { recordAudit } from '../../audit/index.ts';
import type { Row, Statement } from '../../db/database.ts';
import { deleteExpiredDocuments, deleteExpiredTransfers, EXPIRED_DOCUMENTS_SLICE } from '../../documents/index.ts';

/** Rows that cascade into little. */
const SLICE = 500;

/** What can expire, as it is counted. Passages go with their documents. */
export const EXPIRING = [
  'documents',
  'chunks',
  'shares',
  'memberships',
  'invitations',
  'transfers',
  'sessions',
  'refresh_tokens',
] as const;
export type Deleted = Record<(typeof EXPIRING)[number], number>;

export interface SweepDependencies {
  /** Runs statements in one transaction. */
  write(statements: readonly Statement[]): Promise<Row[][]>;
  subject: Subject;
  /** How many transactions at the most; more may be left then. Default: as many as it takes. */
  maxSlices?: number;
}

export interface Swept {
  deleted: Deleted;
  /** Some is left, since `maxSlices` was reached. */
  more: boolean;
}

interface Chore {
  kind: Exclude<(typeof EXPIRING)[number], 'chunks'>;
  statements: Statement[];
  sliceSize: number;
  /** Whether somebody may ask later where it went. */
  isAudited: boolean;
}

/**
 * Deletes what has expired, by the database's clock: documents with all that was made of them, shares, memberships,
 * invitations, offers, sessions and refresh tokens. In slices, each a short transaction of its own with its entry in the
 * audit log, so that others get in between and a crash loses nothing. Running it again deletes what is left.
 */
export async function sweepExpired(deps: SweepDependencies): Promise<Swept> {
  const deleted = Object.fromEntries(EXPIRING.map((kind) => [kind, 0])) as Deleted;
  let slicesLeft = deps.maxSlices ?? Number.POSITIVE_INFINITY;
  for (const chore of chores()) {
    for (;;) {
      if (slicesLeft <= 0) return { deleted, more: true };
      slicesLeft -= 1;
      const isFull = await clearSlice(deps, chore, deleted);
      if (!isFull) break;
    }
  }
  return { deleted, more: false };
}

async function clearSlice({ write, subject }: SweepDependencies, chore: Chore, deleted: Deleted): Promise<boolean> {
  const { kind, statements, sliceSize, isAudited } = chore;
  const entry = recordAudit(subject, 'content.expired', { type: 'system', id: kind }, { onlyIfChanged: true });
  const rows = await write([...statements, ...(isAudited ? [entry] : [])]);
  const gone = rows[statements.length - 1]!.length;
  deleted[kind] += gone;
  if (kind === 'documents') deleted.chunks += rows[0]![0]!.n as number;
  return gone === sliceSize;
}

function chores(): Chore[] {
  const one = (kind: Chore['kind'], statement: Statement, isAudited: boolean): Chore => ({
    kind,
    statements: [statement],
    sliceSize: SLICE,
    isAudited,
  });
  return [
    { kind: 'documents', statements: deleteExpiredDocuments(), sliceSize: EXPIRED_DOCUMENTS_SLICE, isAudited: true },
    one('shares', deleteExpiredShares(SLICE), true),
    one('memberships', deleteExpiredMemberships(SLICE), true),
    one('invitations', deleteExpiredInvitations(SLICE), false),
    one('transfers', deleteExpiredTransfers(SLICE), false),
    one('refresh_tokens', deleteExpiredTokens(SLICE), false),
    one('sessions', deleteExpiredSessions(SLICE), false),
  ];
}
