import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AppError } from '../errors/app-error.ts';
import type { Database } from './database.ts';
import { openFileDatabase } from './file-database.ts';
import type { Durability } from './pragmas.ts';

export interface OpenDatabaseOptions {
  /** A `file:` URL or a path for a file; `libsql:`, `https:` or `http:` for a server. */
  readonly url: string;
  readonly authToken?: string | undefined;
  /** For a file only: a server decides for itself. */
  readonly durability: Durability;
  /** Default 15,000 for a file, 10,000 for a server. */
  readonly busyTimeoutMs?: number;
  /** How long one answer of a server may take. Default 30,000. */
  readonly requestTimeoutMs?: number;
}

export interface OpenedDatabase {
  readonly database: Database;
  /** Sentences for the log, about a database that works but should not be run like this. */
  readonly warnings: readonly string[];
}

/** Opens the database that `url` names. Throws `AppError` config_invalid for a URL that names none. */
export async function openDatabase(options: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const path = filePathOf(options.url);
  if (path === null) return openRemote(options);
  const { durability, busyTimeoutMs } = options;
  const database = await openFileDatabase({
    path,
    durability,
    ...(busyTimeoutMs === undefined ? {} : { busyTimeoutMs }),
  });
  return { database, warnings: await fileWarnings(path) };
}

/** Loaded only here, since a process on a file has no use for the client. */
async function openRemote(options: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const { openRemoteDatabase } = await import('./remote-database.ts');
  const database = await openRemoteDatabase(options);
  return { database, warnings: [] };
}

/** The path in a `file:` URL or a bare path; null for a server's URL. Throws `AppError` config_invalid as `openDatabase` does. */
export function filePathOf(url: string): string | null {
  // A single letter is a drive of Windows.
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  if (scheme === 'libsql' || scheme === 'https' || scheme === 'http') return null;
  if (scheme !== undefined && scheme !== 'file') {
    throw new AppError(
      'config_invalid',
      `DATABASE_URL starts with ${scheme}:, but must be a file, libsql:, https: or http:.`,
    );
  }
  const path = scheme === 'file' ? pathOfFileUrl(url) : url;
  if (path === '' || path.includes(':memory:')) {
    throw new AppError(
      'config_invalid',
      'DATABASE_URL must name a file: a database in memory has one connection only.',
    );
  }
  return path;
}

/** Also takes `file:relative/path`, which is no URL by the standard but how SQLite and libSQL write it. */
function pathOfFileUrl(url: string): string {
  if (url.includes('?') || url.includes('#')) {
    throw new AppError('config_invalid', 'DATABASE_URL of a file takes no parameters.');
  }
  try {
    return /^file:\/\//i.test(url) ? fileURLToPath(url) : decodeURIComponent(url.slice('file:'.length));
  } catch (error) {
    throw new AppError('config_invalid', 'DATABASE_URL is not a valid file: URL.', { cause: error });
  }
}

/** `f_type` of statfs(2), Linux. SQLite's locks and shared memory do not work between machines on any of these. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  26985: 'NFS',
  20859: 'SMB',
  4283649346: 'CIFS',
  4266872130: 'SMB2',
  1702057286: 'FUSE',
  16914839: '9p',
  12805120: 'Ceph',
};

async function fileWarnings(path: string): Promise<string[]> {
  const { type } = await statfs(dirname(path));
  const warning = networkFileSystemWarning(type);
  return warning === null ? [] : [warning];
}

/** The sentence for a file system type as `statfs` reports it (it may be negative), null for a local one. */
export function networkFileSystemWarning(type: number): string | null {
  const name = NETWORK_FILE_SYSTEMS[type >>> 0];
  if (name === undefined) return null;
  return `The database lies on a network file system (${name}), where SQLite's locking can fail and lose data: move it to a local disk.`;
}
