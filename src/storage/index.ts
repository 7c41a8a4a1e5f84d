export { openDirectoryStorage } from './directory-storage.ts';
export type { Storage, StoredFile } from './storage.ts';
