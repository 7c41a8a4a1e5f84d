import type { Subject } from '../access/index.ts';
import type { Statement } from '../db/database.ts';
import { activeTrace } from '../telemetry/logger.ts';
import type { AuditAction, AuditTarget } from './actions.ts';
import { always, detailText, hasChanged, insertAuditEntry, isNewSince } from './queries.ts';

export interface AuditOptions {
  /** The user it is done to or for, where the target is something else: the member, the grantee, the new owner. */
  readonly concerns?: string | null | undefined;
  /**
   * What changed, as `{role: 'editor'}`. Ids of users belong into `concerns`, where an erasure finds them; addresses, names,
   * titles, secrets and content belong nowhere in here.
   */
  readonly detail?: Readonly<Record<string, string | number | boolean | null>> | undefined;
  /** Writes nothing unless the statement right before this one in the batch has changed a row. Default false. */
  readonly onlyIfChanged?: boolean | undefined;
  /** Writes nothing unless this SQL condition holds at its place in the batch. */
  readonly when?: Statement | undefined;
}

/**
 * The entry that says who did what, as a statement for the batch of the change itself: both happen or neither. Takes actor,
 * credential and way from the subject, the trace id from the running request or job, and the instant from the database.
 * What was done by nobody who signed in (a failed sign-in, the command line) has the guest or system subject.
 *
 *     await db.batch([...checks, changeRole(groupId, userId, role),
 *       recordAudit(subject, 'member.changed', { type: 'group', id: groupId }, { concerns: userId, detail: { role } })]);
 */
export function recordAudit(
  subject: Subject,
  action: AuditAction,
  target: AuditTarget,
  options: AuditOptions = {},
): Statement {
  return insertAuditEntry({
    subject,
    action,
    target,
    concernedId: options.concerns ?? null,
    detail: detailText(options.detail ?? {}),
    traceId: activeTrace.getStore()?.traceId ?? null,
    condition: options.when ?? (options.onlyIfChanged === true ? hasChanged : always),
  });
}

/** What is tried over and over must not fill a log from which nothing is deleted. */
const DENIALS_EVERY_MS = 3_600_000;

/**
 * The entry that says who was refused a route that only those who run the system may use, such as `GET /users`; one an hour
 * for each of both.
 */
export function recordDenial(subject: Subject, route: string): Statement {
  const entry = { action: 'access.denied', target: { type: 'system', id: route } } as const;
  const when = isNewSince(subject, { ...entry, withinMs: DENIALS_EVERY_MS });
  return recordAudit(subject, entry.action, entry.target, { when });
}
