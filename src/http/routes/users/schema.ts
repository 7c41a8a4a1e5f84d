import { z } from 'zod';
import { ACCOUNT_STATUSES, SYSTEM_ROLES } from '../../../accounts/index.ts';
import { EmailInput, Id, Label, ListOf, PageQuery, Timestamp } from '../../schemas.ts';

const Status = z.enum(ACCOUNT_STATUSES);
const SystemRole = z.enum(SYSTEM_ROLES);

export const UserParams = z.object({ user_id: Id });
export const RoleParams = z.object({ user_id: Id, role: SystemRole });

export const UsersQuery = PageQuery.extend({
  status: Status.optional(),
  role: SystemRole.optional(),
  email: EmailInput.optional().meta({ description: 'The whole address' }),
});

export const UserPatch = z
  .strictObject({ name: Label(200).nullable().optional(), status: Status.optional() })
  .meta({ id: 'UserPatch' });

export const User = z
  .object({
    user_id: z.string(),
    email: z.string(),
    name: z.string().nullable(),
    status: Status,
    system_roles: z.array(SystemRole),
    created_at: Timestamp,
    updated_at: Timestamp,
  })
  .meta({ id: 'User' });
export const UserList = ListOf(User);
