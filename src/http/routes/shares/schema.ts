import { z } from 'zod';
import { GRANTEE_TYPES, SHARED_TYPES } from '../../../accounts/index.ts';
import { Id, InstantInput, ListOf, PageQuery, Timestamp } from '../../schemas.ts';

const ResourceType = z.enum(SHARED_TYPES);
const GranteeType = z.enum(GRANTEE_TYPES);
const Permission = z.enum(['read', 'write', 'manage']);

export const ShareBody = z
  .strictObject({
    resource_type: ResourceType,
    resource_id: Id,
    grantee_type: GranteeType,
    grantee_id: Id,
    permission: Permission,
    expires_at: InstantInput.nullable().optional(),
  })
  .meta({ id: 'ShareBody' });

export const SharesQuery = PageQuery.extend({
  resource_type: ResourceType.optional(),
  resource_id: Id.optional().meta({ description: 'Shares of this resource, with resource_type' }),
  group_id: Id.optional().meta({ description: 'Instead: what is shared with this group' }),
});

export const ShareParams = z.object({ share_id: Id });

export const Share = z
  .object({
    share_id: z.string(),
    resource_type: ResourceType,
    resource_id: z.string(),
    grantee_type: GranteeType,
    grantee_id: z.string(),
    permission: Permission,
    created_at: Timestamp,
    expires_at: Timestamp.nullable(),
  })
  .meta({ id: 'Share' });
export const ShareList = ListOf(Share);
