import type { Statement } from '../db/database.ts';

/** Everything the audit log can tell of, and what it is done to. A closed list; `docs/access.md` explains each. */
export const AUDIT_ACTIONS = [
  'user.registered',
  'user.created',
  'user.renamed',
  'user.disabled',
  'user.enabled',
  'user.exported',
  'user.erased',
  'session.started',
  'session.refused',
  'session.ended',
  'session.ended_all',
  'session.token_reused',
  'password.changed',
  'password.reset',
  'password.reset_link_created',
  'email.proven',
  'identity.linked',
  'account.reclaimed',
  'api_key.created',
  'api_key.deleted',
  'signing_key.published',
  'signing_key.activated',
  'signing_key.replaced',
  'role.granted',
  'role.revoked',
  'group.created',
  'group.renamed',
  'group.deleted',
  'group.policy_changed',
  'member.added',
  'member.changed',
  'member.removed',
  'member.left',
  'invitation.created',
  'invitation.revoked',
  'invitation.accepted',
  'share.granted',
  'share.revoked',
  'transfer.offered',
  'transfer.withdrawn',
  'transfer.declined',
  'transfer.accepted',
  'document.published',
  'document.removed',
  'access.denied',
  'content.expired',
  'quota.changed',
  'backup.created',
  'backup.restored',
] as const;

export type AuditAction = (typeof AUDIT_ACTIONS)[number];

export const AUDIT_TARGETS = ['user', 'group', 'document', 'api_key', 'session', 'system'] as const;
export type AuditTargetType = (typeof AUDIT_TARGETS)[number];

export interface AuditTarget {
  readonly type: AuditTargetType;
  /** An id, or the expression for one that only the batch knows; never an address or a title. */
  readonly id: string | Statement;
}
