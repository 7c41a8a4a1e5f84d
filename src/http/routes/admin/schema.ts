import { z } from 'zod';
import { COUNTED, COUNTED_UP_TO, EXPIRING } from '../../../admin/index.ts';
import { AUDIT_ACTIONS, AUDIT_TARGETS } from '../../../audit/index.ts';
import { Id, InstantInput, ListOf, PageQuery, Timestamp } from '../../schemas.ts';

const Action = z.enum(AUDIT_ACTIONS);
const TargetType = z.enum(AUDIT_TARGETS);
const Count = z.number().int();
const Bytes = z.number().int();

export const AuditQuery = PageQuery.extend({
  action: Action.optional(),
  actor_id: Id.optional().meta({ description: 'Who did it' }),
  user_id: Id.optional().meta({ description: 'Who did it, or whom it was done to' }),
  target_type: TargetType.optional(),
  target_id: Id.optional(),
  since: InstantInput.optional(),
  until: InstantInput.optional().meta({ description: 'Before this instant' }),
});

export const AuditEntry = z
  .object({
    entry_id: z.string(),
    at: Timestamp,
    actor_id: z.string().nullable().meta({ description: 'Null: a guest, the system, or the operator of the machine' }),
    via: z.enum(['session', 'api_key', 'guest', 'system']),
    credential_id: z.string().nullable(),
    action: Action,
    target_type: TargetType,
    target_id: z.string(),
    concerned_id: z.string().nullable().meta({ description: 'The user it was done to or for' }),
    detail: z.record(z.string(), z.unknown()),
    trace_id: z.string().nullable(),
  })
  .meta({ id: 'AuditEntry' });
export const AuditList = ListOf(AuditEntry);

export const Stats = z
  .object({
    taken_at: Timestamp,
    queues: z.array(
      z.object({
        queue: z.string(),
        job_type: z.string(),
        pending: Count,
        processing: Count,
        paused: z.boolean(),
      }),
    ),
    cache: z.object({ entries: Count, bytes: Bytes }),
    index: z
      .record(z.enum(COUNTED), Count)
      .meta({ description: `Counted up to ${COUNTED_UP_TO}, which stands for that many or more` }),
    storage: z.object({
      database_bytes: Bytes,
      database_free_bytes: Bytes,
      files: Count.meta({ description: 'Stored originals, counted up to the same limit' }),
      files_bytes: Bytes.meta({ description: 'Of those counted' }),
    }),
  })
  .meta({ id: 'Stats' });

export const Swept = z
  .object({
    deleted: z.record(z.enum(EXPIRING), Count),
    more: z
      .boolean()
      .meta({ description: 'There is more than one call deletes: ask again, or leave it to the worker' }),
  })
  .meta({ id: 'Swept' });
