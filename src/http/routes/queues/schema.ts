import { z } from 'zod';
import { InstantInput } from '../../schemas.ts';

const JobType = z.string().min(1).max(100).regex(/^[^*]/, 'must not begin with *; leave it out for all types');

export const QueueParams = z.object({ queue: z.string().min(1).max(200) });

/** `{}` means the whole queue, which is why it has to be sent. */
export const PauseBody = z
  .strictObject({ job_type: JobType.optional().meta({ description: 'This type only' }) })
  .meta({ id: 'PauseQueue' });

export const Pause = z
  .object({ queue: z.string(), job_type: z.string().nullable(), paused: z.boolean() })
  .meta({ id: 'QueuePause' });

export const Queue = z
  .object({
    queue: z.string(),
    paused: z.boolean().meta({ description: 'The whole queue' }),
    job_types: z.array(
      z.object({
        job_type: z.string(),
        paused: z.boolean().meta({ description: 'With its queue, or by itself' }),
        pending: z.number().int(),
        processing: z.number().int(),
        recent_wait_ms: z.number().nullable(),
        recent_run_ms: z.number().nullable(),
      }),
    ),
  })
  .meta({ id: 'Queue' });

/** `{}` means all failed jobs; likewise. */
export const RedriveBody = z
  .strictObject({
    queue: z.string().min(1).max(200).optional(),
    job_type: JobType.optional(),
    code: z.string().min(1).max(100).optional().meta({ description: 'Code of the error that the jobs failed with' }),
    failed_after: InstantInput.optional(),
  })
  .meta({ id: 'RedriveJobs' });

export const RedriveAccepted = z
  .object({ job_id: z.string(), status: z.literal('pending'), status_url: z.string() })
  .meta({ id: 'RedriveAccepted' });
