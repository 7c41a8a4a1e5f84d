import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../errors/app-error.ts';

export type Durability = 'normal' | 'full';

interface Pragma {
  readonly name: string;
  readonly value: string | number;
  /** What reading the pragma must answer afterwards; the value where left out. */
  readonly reads?: string | number;
}

const PAGE_BYTES = 8192;
const WRITER_CACHE_KIB = 65_536;
const READER_CACHE_KIB = 32_768;
/** A write-ahead log that a long read made grow is cut back to this at the next checkpoint. */
const JOURNAL_BYTES = 64 * 1024 * 1024;

/** Readers wait inside SQLite only for the short moments in which another process recovers or resets the log. */
const READER_BUSY_TIMEOUT_MS = 50;

/**
 * Sets and verifies what a writing connection relies on. Larger pages suit rows of text and packed vectors, and can only be
 * chosen while the file is empty; a file made elsewhere keeps its own.
 */
export function configureWriter(connection: DatabaseSync, durability: Durability): void {
  if (read(connection, 'page_count') === 0) apply(connection, { name: 'page_size', value: PAGE_BYTES });
  for (const pragma of writerPragmas(durability)) apply(connection, pragma);
}

export function configureReader(connection: DatabaseSync): void {
  const pragmas: Pragma[] = [
    { name: 'busy_timeout', value: READER_BUSY_TIMEOUT_MS },
    { name: 'cache_size', value: -READER_CACHE_KIB },
    { name: 'temp_store', value: 'MEMORY', reads: 2 },
  ];
  for (const pragma of pragmas) apply(connection, pragma);
}

function writerPragmas(durability: Durability): Pragma[] {
  return [
    { name: 'busy_timeout', value: 0 },
    { name: 'journal_mode', value: 'wal' },
    durability === 'full'
      ? { name: 'synchronous', value: 'FULL', reads: 2 }
      : { name: 'synchronous', value: 'NORMAL', reads: 1 },
    { name: 'foreign_keys', value: 1 },
    { name: 'cache_size', value: -WRITER_CACHE_KIB },
    { name: 'journal_size_limit', value: JOURNAL_BYTES },
    { name: 'secure_delete', value: 1 },
    { name: 'temp_store', value: 'MEMORY', reads: 2 },
  ];
}

/** SQLite ignores a pragma that it does not know or cannot follow, so each is read back. */
function apply(connection: DatabaseSync, { name, value, reads = value }: Pragma): void {
  connection.exec(`PRAGMA main.${name} = ${value}`);
  const actual = read(connection, name);
  if (actual === reads) return;
  throw new AppError('database_unavailable', `The database did not accept ${name} = ${value}.`, {
    cause: new Error(`PRAGMA ${name} is ${actual}`),
  });
}

function read(connection: DatabaseSync, name: string): unknown {
  return Object.values(connection.prepare(`PRAGMA main.${name}`).get() ?? {})[0];
}
