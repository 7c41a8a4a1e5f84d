import type { Permission } from '../access/index.ts';
import type { PiiCounts, PiiPolicy } from '../redaction/index.ts';

export type DocumentStatus = 'processing' | 'ready_words_only' | 'ready' | 'failed';
export const SOURCE_TYPES = ['file', 'text', 'web', 'rss', 'sheet', 'github', 'notion', 'firestore'] as const;
export type SourceType = (typeof SOURCE_TYPES)[number];

/** A document as somebody who may see it sees it. Instants are milliseconds by the database's clock. */
export interface Document {
  documentId: string;
  title: string;
  source: string;
  sourceType: SourceType;
  mediaType: string | null;
  bytes: number | null;
  chunks: number;
  language: string | null;
  version: number;
  status: DocumentStatus;
  ownerId: string | null;
  tags: string[];
  metadata: Record<string, unknown>;
  permissions: Permission[];
  createdAt: number;
  updatedAt: number;
  expiresAt: number | null;
  /** What was done about personal data in it. */
  piiPolicy: PiiPolicy;
  /** How often each kind was found; null where nobody has looked. */
  pii: PiiCounts | null;
}

export interface DocumentChunk {
  chunkId: string;
  ordinal: number;
  text: string;
  charStart: number;
  charEnd: number;
  pageStart: number | null;
  pageEnd: number | null;
  headingPath: string[];
  tokenCount: number;
}

/** What `PATCH` may change; a field that is absent stays. */
export interface DocumentChange {
  title?: string;
  tags?: string[];
  metadata?: Record<string, unknown>;
  expiresAt?: number | null;
}

/** A chunk is named by its version and its place, so the name needs no index of its own. */
export function chunkIdOf(versionId: string, ordinal: number): string {
  return `${versionId}.${ordinal}`;
}
