import { guestSubject, jobOrigin, requireRecentSignIn, type Subject, systemSubject } from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import type { Database, Statement } from '../../db/database.ts';
import { AppError, hasCode } from '../../errors/app-error.ts';
import { type Enqueued, enqueueJob } from '../../jobs/index.ts';
import { selectGroupsLedAlone } from '../administration/queries.ts';
import { checkPassword } from '../change-password.ts';
import type { AccountDependencies } from '../dependencies.ts';
import { ownSession } from '../logout.ts';
import { selectEmailHmac } from '../queries.ts';
import { eraseAtOnce } from './plan.ts';
import { requireLiveSession, requirePassword } from './queries.ts';

/** The type of the job that removes what is left of erased accounts. */
export const ERASE_ACCOUNTS = 'erase_accounts';

/** Over days with the backoff of the queue; afterwards the schedule goes on. */
const MAX_ATTEMPTS = 30;

type ErasureDependencies = Pick<AccountDependencies, 'db' | 'secrets' | 'passwords' | 'throttle'>;

/** What whoever has no account any more can watch the rest by. */
export interface ErasureStarted {
  readonly jobId: string;
  readonly jobToken: string;
}

/**
 * Erases the caller. In one transaction nobody can sign in to the account any more, its keys and shares are worth nothing, and
 * nothing of it is in any answer; a job removes the rest, whose payload names nobody. Needs a sign-in of the last minutes or,
 * later, the password. Throws `AppError` forbidden without a session, wrong_password, sign_in_again,
 * rate_limited after too many failures, overloaded; last_admin, whose detail names the groups, and last_super_admin until
 * somebody else can do what the caller does.
 */
export async function eraseAccount(
  deps: ErasureDependencies,
  subject: Subject,
  { password, clientAddress }: { readonly password: string | null; readonly clientAddress: string },
): Promise<ErasureStarted> {
  const { userId } = ownSession(subject);
  const proof = await proofOf(deps, subject, password, clientAddress);
  const job = enqueueErasure();
  await erase(deps.db, subject, userId, { proof, job });
  return { jobId: job.jobId, jobToken: job.pollToken! };
}

/** The same for the operator of the machine. Throws `AppError` last_admin, last_super_admin. */
export async function eraseForOperator({ db }: { db: Database }, userId: string): Promise<void> {
  await erase(db, systemSubject(), userId, { proof: [], job: enqueueErasure() });
}

async function erase(
  db: Database,
  subject: Subject,
  userId: string,
  { proof, job }: { proof: Statement[]; job: Enqueued },
): Promise<void> {
  const emailHmac = await selectEmailHmac(db, userId);
  const batch = [
    ...proof,
    recordAudit(subject, 'user.erased', { type: 'user', id: userId }),
    ...eraseAtOnce(userId, emailHmac),
    ...job.statements,
  ];
  await db.batch(batch).catch((error: unknown) => explainRefusal(db, userId, error));
}

/** That it is really the caller, and no session that was left open somewhere: this cannot be undone. */
async function proofOf(
  deps: ErasureDependencies,
  subject: Subject,
  password: string | null,
  clientAddress: string,
): Promise<Statement[]> {
  if (password === null) return [requireLiveSession(subject), requireRecentSignIn(subject)];
  const { userId } = ownSession(subject);
  const { passwordHash } = await checkPassword(deps, subject, password, clientAddress);
  return [requireLiveSession(subject), requirePassword(userId, passwordHash)];
}

/** A guest's, since by then nobody else could ask for it. Whom it is about it finds in the database. */
function enqueueErasure(): Enqueued {
  return enqueueJob({
    jobType: ERASE_ACCOUNTS,
    payload: {},
    onBehalfOf: jobOrigin(guestSubject()),
    maxAttempts: MAX_ATTEMPTS,
  });
}

async function explainRefusal(db: Database, userId: string, error: unknown): Promise<never> {
  if (hasCode(error, 'last_super_admin')) {
    throw new AppError('last_super_admin', 'Until somebody else is super_admin, this account has to stay', {
      cause: error,
    });
  }
  if (!hasCode(error, 'last_admin')) throw error;
  const groups = await selectGroupsLedAlone(db, userId);
  const detail = `Until another admin is named or the group deleted, this account has to stay: ${groups.join(', ')}`;
  throw new AppError('last_admin', detail, { cause: error });
}
