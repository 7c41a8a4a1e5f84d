import type { z } from 'zod';
import type { Group } from '../../../accounts/index.ts';
import { toTimestamp } from '../../../base/timestamps.ts';
import type { Group as GroupSchema } from './schema.ts';

export function groupToJson(group: Group): z.infer<typeof GroupSchema> {
  return {
    group_id: group.groupId,
    name: group.name,
    role: group.role,
    created_at: toTimestamp(group.createdAt),
    updated_at: toTimestamp(group.updatedAt),
  };
}
