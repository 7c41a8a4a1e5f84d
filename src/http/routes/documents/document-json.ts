import type { z } from 'zod';
import { toTimestamp, toTimestampOrNull } from '../../../base/timestamps.ts';
import type { Document } from '../../../documents/index.ts';
import type { Document as DocumentSchema } from './schema.ts';

export function documentToJson(document: Document): z.infer<typeof DocumentSchema> {
  return {
    document_id: document.documentId,
    title: document.title,
    source: document.source,
    source_type: document.sourceType,
    media_type: document.mediaType,
    bytes: document.bytes,
    chunks: document.chunks,
    language: document.language,
    version: document.version,
    status: document.status,
    owner_id: document.ownerId,
    tags: document.tags,
    metadata: document.metadata,
    permissions: document.permissions,
    created_at: toTimestamp(document.createdAt),
    updated_at: toTimestamp(document.updatedAt),
    expires_at: toTimestampOrNull(document.expiresAt),
    pii_policy: document.piiPolicy,
    pii: document.pii,
  };
}
