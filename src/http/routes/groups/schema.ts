import { z } from 'zod';
import { GROUP_ROLES } from '../../../accounts/index.ts';
import { EmailInput, Id, InstantInput, Label, ListOf, Timestamp, TokenInput } from '../../schemas.ts';

const Role = z.enum(GROUP_ROLES);

export const GroupParams = z.object({ group_id: Id });
export const MemberParams = z.object({ group_id: Id, user_id: Id });
export const InvitationParams = z.object({ group_id: Id, invitation_id: Id });

export const GroupBody = z.strictObject({ name: Label(200) }).meta({ id: 'GroupBody' });

export const Group = z
  .object({
    group_id: z.string(),
    name: z.string(),
    role: Role.nullable().meta({ description: 'Yours; null for a super_admin who is not a member' }),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'Group' });
export const GroupList = ListOf(Group);

const Until = InstantInput.nullable().meta({ description: 'When the membership ends; null: never' });

export const NewMemberBody = z
  .strictObject({
    user_id: Id.optional(),
    email: EmailInput.optional().meta({ description: 'Instead of user_id; whoever has no account is invited' }),
    role: Role,
    expires_at: Until.optional(),
  })
  .refine(({ user_id, email }) => (user_id === undefined) !== (email === undefined), {
    message: 'user_id or email, one of them',
    path: ['user_id'],
  })
  .meta({ id: 'NewMember' });

export const AddedMember = z
  .object({ user_id: z.string(), role: Role, expires_at: Timestamp.nullable() })
  .meta({ id: 'AddedMember' });

export const MemberPatch = z
  .strictObject({ role: Role.optional(), expires_at: Until.optional() })
  .meta({ id: 'MemberPatch' });

export const Member = z
  .object({
    user_id: z.string(),
    name: z.string().nullable(),
    role: Role,
    created_at: Timestamp,
    expires_at: Timestamp.nullable(),
  })
  .meta({ id: 'Member' });
export const MemberList = ListOf(Member);

export const InvitationBody = z
  .strictObject({ email: EmailInput, role: Role, expires_at: Until.optional() })
  .meta({ id: 'InvitationBody' });

const invitationFields = {
  invitation_id: z.string(),
  group_id: z.string(),
  email: z.string(),
  role: Role,
  invited_by: z.string(),
  created_at: Timestamp,
  expires_at: Timestamp.meta({ description: 'Until when it can be accepted' }),
  member_until: Timestamp.nullable().meta({ description: 'When the membership will end; null: never' }),
};

const Invitation = z.object(invitationFields).meta({ id: 'Invitation' });
export const InvitationList = ListOf(Invitation);

export const CreatedInvitation = z
  .object({
    ...invitationFields,
    token: z
      .string()
      .nullable()
      .meta({ description: 'To accept with, shown this once; null where it was sent by mail' }),
    link: z.string().nullable().meta({ description: 'Likewise' }),
  })
  .meta({ id: 'CreatedInvitation' });

export const AcceptBody = z.strictObject({ token: TokenInput }).meta({ id: 'AcceptInvitation' });
