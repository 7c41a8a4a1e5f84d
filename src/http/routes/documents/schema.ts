import { z } from 'zod';
import { SOURCE_TYPES } from '../../../documents/index.ts';
import { PII_KINDS, PII_POLICIES } from '../../../redaction/index.ts';
import { Id, InstantInput, Label, ListOf, PageQuery, Timestamp } from '../../schemas.ts';
import { Metadata } from '../ingest/schema.ts';

export const SourceType = z.enum(SOURCE_TYPES);

export const Document = z
  .object({
    document_id: z.string(),
    title: z.string(),
    source: z.string(),
    source_type: SourceType,
    media_type: z.string().nullable(),
    bytes: z.number().int().nullable(),
    chunks: z.number().int(),
    language: z.string().nullable(),
    version: z.number().int().meta({ description: '0 until the first version is whole' }),
    status: z.enum(['processing', 'ready_words_only', 'ready', 'failed']),
    owner_id: z.string().nullable(),
    tags: z.array(z.string()),
    metadata: z.record(z.string(), z.unknown()),
    permissions: z.array(z.enum(['read', 'write', 'manage'])),
    created_at: Timestamp,
    updated_at: Timestamp,
    expires_at: Timestamp.nullable(),
    pii_policy: z.enum(PII_POLICIES).meta({ description: 'What was done about personal data in it' }),
    pii: z
      .partialRecord(z.enum(PII_KINDS), z.number().int())
      .nullable()
      .meta({ description: 'How often each kind was found; null where nobody has looked' }),
  })
  .meta({ id: 'Document' });

export const Chunk = z
  .object({
    chunk_id: z.string(),
    ordinal: z.number().int(),
    text: z.string(),
    char_start: z.number().int(),
    char_end: z.number().int(),
    page_start: z.number().int().nullable(),
    page_end: z.number().int().nullable(),
    heading_path: z.array(z.string()),
    token_count: z.number().int(),
  })
  .meta({ id: 'Chunk' });

export const FileContent = z.any().meta({ type: 'string', format: 'binary' });

export const DocumentParams = z.object({ document_id: z.string().min(1).max(200) });

export const DocumentsQuery = PageQuery.extend({
  group_id: Id.optional().meta({ description: 'Shared with this group of yours' }),
  owner: z.enum(['me']).optional(),
  tag: z.string().min(1).max(100).optional(),
  source_type: SourceType.optional(),
  q: z.string().min(1).max(200).optional().meta({ description: 'Part of the title' }),
});

export const DocumentPatch = z
  .strictObject({
    title: Label(500).optional(),
    tags: z.array(Label(100)).max(50).optional(),
    metadata: Metadata.optional(),
    expires_at: InstantInput.nullable().optional(),
  })
  .meta({ id: 'DocumentPatch' });

export const TransferBody = z.strictObject({ user_id: Id }).meta({ id: 'TransferBody' });

export const Transfer = z
  .object({
    document_id: z.string(),
    title: z.string(),
    from_user_id: z.string(),
    to_user_id: z.string(),
    created_at: Timestamp,
    expires_at: Timestamp.meta({ description: 'Until when it can be accepted' }),
  })
  .meta({ id: 'Transfer' });
export const TransferList = ListOf(Transfer);
