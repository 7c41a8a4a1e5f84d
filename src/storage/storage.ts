import type { Readable } from 'node:stream';

export interface StoredFile {
  /** Opaque; made by the storage, never from a name that somebody sent. */
  key: string;
  bytes: number;
  /** Hex. */
  sha256: string;
}

/** Where original files are kept, behind as little as a directory or an object store can do. */
export interface Storage {
  /**
   * Stores a stream without holding it in memory. Throws `payload_too_large` past `maxBytes`, `storage_unavailable` when the
   * disk is full or failing; whatever goes wrong, nothing stays behind.
   */
  put(content: Readable, options: { maxBytes: number }): Promise<StoredFile>;
  /**
   * Stores a file of a backup again under the key that it had; it is on the disk when this ends. Throws `not_found` for a key
   * that no storage makes. Where something goes wrong, there is no file of this key.
   */
  putBack(key: string, content: Readable): Promise<StoredFile>;
  /** Throws `not_found` when there is no such file, `storage_unavailable` when it cannot be read. */
  open(key: string): Promise<Readable>;
  /** A path that other processes on this host may read, for the time of `use`. */
  withLocalPath<T>(key: string, use: (path: string) => Promise<T>): Promise<T>;
  /** Every stored file, in no order; one that is stored or deleted meanwhile may be among them or not. */
  list(): AsyncIterable<{ key: string /** Milliseconds since 1970, by the storage's clock. */; storedAt: number }>;
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>;
}
