import { z } from 'zod';
import { Id, Timestamp } from '../../schemas.ts';

const Used = z.object({
  used: z.number().int(),
  limit: z.number().int().nullable().meta({ description: 'null: no limit' }),
});

export const Usage = z
  .object({
    documents: Used,
    bytes: Used,
    chunks: Used,
    tokens_today: Used.extend({ resets_at: Timestamp }),
  })
  .meta({ id: 'Usage' });

const Limit = z
  .number()
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .nullable()
  .optional()
  .meta({ description: 'null: no limit; absent: the default' });

export const QuotaBody = z
  .strictObject({ documents: Limit, bytes: Limit, chunks: Limit, tokens_per_day: Limit })
  .meta({ id: 'QuotaBody' });

export const Quota = z
  .object({
    usage: Usage,
    own_limits: z
      .object({ documents: Limit, bytes: Limit, chunks: Limit, tokens_per_day: Limit })
      .meta({ description: 'Limits that replace the defaults' }),
  })
  .meta({ id: 'Quota' });

export const GroupParams = z.object({ group_id: Id });
export const UserParams = z.object({ user_id: Id });
