import { z } from 'zod';
import { PageQuery, Timestamp } from '../../schemas.ts';

const Status = z.enum(['pending', 'processing', 'completed', 'failed', 'cancelled']);

export const Job = z
  .object({
    job_id: z.string(),
    job_type: z.string(),
    status: Status,
    progress: z.object({ stage: z.string(), done: z.number(), total: z.number() }).nullable(),
    result: z.record(z.string(), z.unknown()).nullable(),
    error: z.object({ code: z.string(), message: z.string(), retryable: z.boolean() }).nullable(),
    attempts: z.number().int(),
    max_attempts: z.number().int(),
    run_at: Timestamp,
    created_at: Timestamp,
    updated_at: Timestamp,
    started_at: Timestamp.nullable(),
    finished_at: Timestamp.nullable(),
    trace_id: z.string().nullable(),
  })
  .meta({ id: 'Job' });

export const JobParams = z.object({ job_id: z.string().min(1).max(200) });
export const JobHeaders = z.object({ 'job-token': z.string().max(200).optional() });
export const WaitQuery = z.strictObject({
  wait: z.coerce.number().min(0).max(30).default(0).meta({ description: 'Seconds to wait for the end of the job' }),
});
export const JobsQuery = PageQuery.extend({
  status: Status.optional(),
  job_type: z.string().min(1).max(100).optional(),
  all: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .meta({ description: "Everybody's jobs; for super_admin" }),
});
