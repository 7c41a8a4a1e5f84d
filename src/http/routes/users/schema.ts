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

export const EraseBody = z
  .strictObject({ password: z.string().min(1).max(1_024).meta({ format: 'password' }).optional() })
  .meta({ id: 'EraseAccount' });

export const Erasure = z
  .object({
    job_id: z.string(),
    job_token: z.string().meta({ description: 'Send as Job-Token when polling the job' }),
    status: z.literal('pending'),
    status_url: z.string(),
  })
  .meta({ id: 'Erasure' });

export const Archive = z.any().meta({ type: 'string', format: 'binary' });
