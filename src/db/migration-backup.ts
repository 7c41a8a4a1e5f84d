import { randomUUID } from 'node:crypto';
import { open, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Database } from './database.ts';

const BACKUPS_KEPT = 3;

/**
 * Copies the database to `<name>.schema-<version>-<time>.backup` in `directory` and answers the path. The name appears only
 * once the copy is complete and on the disk.
 */
export async function backUp(database: Database, path: string, directory: string, version: number): Promise<string> {
  const name = basename(path);
  // A colon is not allowed in names on Windows. Sorts by time within a version, and versions only grow.
  const time = new Date().toISOString().replaceAll(':', '');
  const target = join(directory, `${name}.schema-${String(version).padStart(4, '0')}-${time}.backup`);
  const partial = join(directory, `${name}.${randomUUID()}.partial`);
  try {
    await database.copyTo(partial);
    await syncToDisk(partial);
    await rename(partial, target);
  } finally {
    await rm(partial, { force: true });
  }
  return target;
}

/** Removes all but the newest three copies that `backUp` has made of the database at `path`. */
export async function removeOldBackups(path: string, directory: string): Promise<void> {
  const name = basename(path);
  const backups = (await readdir(directory))
    .filter((entry) => entry.startsWith(`${name}.schema-`) && entry.endsWith('.backup'))
    .sort();
  for (const backup of backups.slice(0, -BACKUPS_KEPT)) await rm(join(directory, backup), { force: true });
}

async function syncToDisk(path: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.chmod(0o600);
    await file.sync();
  } finally {
    await file.close();
  }
}
