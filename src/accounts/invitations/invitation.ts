import type { Secrets } from '../../access/index.ts';
import type { Database } from '../../db/database.ts';
import type { GroupRole } from '../groups/group.ts';

/** How long an invitation can be accepted. */
export const INVITATION_DAYS = 7;

export interface InvitationDependencies {
  readonly db: Database;
  readonly secrets: Secrets;
  /** Whether the invited get a mail; else whoever invites hands the token over. */
  readonly sendsMail: boolean;
  /** Base URL of this server as its users see it, without a slash at the end. */
  readonly publicUrl: string;
}

/** An address that was asked into a group, as the group's admins see it. Instants are milliseconds. */
export interface Invitation {
  invitationId: string;
  groupId: string;
  email: string;
  role: GroupRole;
  /** User who invited. */
  invitedBy: string;
  /** When the membership will end; null: never. */
  memberUntil: number | null;
  createdAt: number;
  expiresAt: number;
}

export interface CreatedInvitation {
  invitation: Invitation;
  /** What the invited person accepts with, shown this once; null where it went to them by mail. */
  token: string | null;
  link: string | null;
}
