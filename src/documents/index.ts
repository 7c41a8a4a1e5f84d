export { changeDocument, removeDocument } from './change-document.ts';
export {
  chunkIdOf,
  type Document,
  type DocumentChange,
  type DocumentChunk,
  type DocumentStatus,
  SOURCE_TYPES,
  type SourceType,
} from './document.ts';
export {
  type DocumentFilter,
  hasAnyTag,
  type OriginalFile,
  requireFutureExpiry,
  selectChunks,
  selectDocument,
  selectDocuments,
  selectOriginalFile,
  selectVisibleIds,
  sharedWithGroups,
} from './queries.ts';
