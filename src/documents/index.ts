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
export { deleteDocumentsOf, deleteTransfersOf, endSharesOfDocumentsOf, mergeWordIndex } from './erasure/queries.ts';
export { deleteExpiredDocuments, deleteExpiredTransfers, EXPIRED_DOCUMENTS_SLICE } from './expiry/queries.ts';
export { publishDocument } from './ownership/publish-document.ts';
export type { Transfer } from './ownership/transfer.ts';
export {
  acceptTransfer,
  declineTransfer,
  listTransfers,
  offerTransfer,
  withdrawTransfer,
} from './ownership/transfer-document.ts';
export {
  type DocumentFilter,
  hasAnyTag,
  type OriginalFile,
  requireFutureExpiry,
  selectChunks,
  selectDocument,
  selectDocuments,
  selectOriginalFile,
  selectText,
  selectVisibleIds,
  sharedWithGroups,
} from './queries.ts';
