import { z } from 'zod';
import { Id, InstantInput, Label } from '../../schemas.ts';

const MAX_TAGS = 50;
const MAX_METADATA_CHARS = 16_384;
/** SQLite reads JSON to a depth of 1,000; no honest metadata comes near a tenth of that. */
const MAX_METADATA_DEPTH = 64;

const Tags = z.array(Label(100)).max(MAX_TAGS);
export const Metadata = z
  .record(z.string().min(1).max(100), z.unknown())
  .refine((value) => isShallow(value, MAX_METADATA_DEPTH), {
    message: `at most ${MAX_METADATA_DEPTH} levels deep`,
    abort: true,
  })
  .refine(
    (value) => JSON.stringify(value).length <= MAX_METADATA_CHARS,
    `at most ${MAX_METADATA_CHARS} characters of JSON`,
  );

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1));
}

export const CommonFields = {
  title: Label(500).optional(),
  group_id: Id.optional(),
  tags: Tags.optional(),
  metadata: Metadata.optional(),
  expires_at: InstantInput.optional(),
  source: Label(2_048).optional(),
};

export const TextBody = z
  .strictObject({
    text: z.string().min(1),
    media_type: z.enum(['text/plain', 'text/markdown']).default('text/plain'),
    ...CommonFields,
  })
  .meta({ id: 'IngestText' });

export const WebBody = z.strictObject({ url: z.url().max(2_048), ...CommonFields }).meta({ id: 'IngestWeb' });

/** As it is documented. The parts are read by `read-upload.ts`, since the file must not be held in memory. */
export const FileForm = z
  .strictObject({
    file: z.string().meta({ format: 'binary' }),
    ...CommonFields,
    tags: z.union([Tags, z.string()]).optional().meta({ description: 'repeated, or a JSON array' }),
    metadata: z.string().optional().meta({ description: 'a JSON object' }),
  })
  .meta({ id: 'IngestFile' });

export const FormFields = z.strictObject(CommonFields);

export const Accepted = z
  .object({
    job_id: z.string(),
    document_id: z.string(),
    status: z.literal('pending'),
    status_url: z.string(),
    job_token: z.string().optional().meta({ description: 'For guests: send as Job-Token when polling the job' }),
  })
  .meta({ id: 'Accepted' });

export const IngestHeaders = z.object({
  'idempotency-key': z.string().min(1).max(255).optional(),
});
