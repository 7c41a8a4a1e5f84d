import { z } from 'zod';
import { PageQuery, Timestamp } from '../../schemas.ts';

const Status = z.enum(['pending', 'processing', 'completed', 'failed', 'cancelled']);

export const Job = z
  .object({
    job_id: z.string(),
    job_type: z.string(),
    queue: z.string(),
    status: Status,
    reason: z
      .enum([
        'in_line',
        'scheduled',
        'waiting_for_key',
        'waiting_for_rate',
        'waiting_for_children',
        'paused',
        'no_worker',
      ])
      .nullable()
      .meta({ description: 'Why a pending job does not run at this moment' }),
    priority: z.number().int().meta({ description: 'Lower runs first' }),
    parent_id: z.string().nullable().meta({ description: 'The job that waits for this one' }),
    open_children: z.number().int().meta({ description: 'Jobs that this one waits for' }),
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

/** A job by itself: what a list would make too long or too slow. */
export const JobDetail = Job.extend({
  timeline: z
    .array(z.object({ at: Timestamp, event: z.string(), detail: z.string().nullable() }))
    .meta({ description: 'What has happened to the job, oldest first' }),
  place: z.number().int().nullable().meta({
    description:
      'Where it stands among those of its type and queue, or among those that wait for the same key; 1 is next, 1001 is far behind',
  }),
  recent_wait_ms: z.number().nullable().meta({ description: 'How long jobs like it have been waiting of late' }),
}).meta({ id: 'JobDetail' });

export const LogLine = z
  .object({ at: Timestamp, level: z.enum(['info', 'warn', 'error']), message: z.string() })
  .meta({ id: 'JobLogLine' });

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
