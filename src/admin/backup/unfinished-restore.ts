import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../../errors/app-error.ts';
import { syncToDisk, writeTextDurably } from './durable-files.ts';

/** In DATA_DIR from the first to the last step of a restore: while it is there, nothing may use the data. */
export const MARKER_FILE = 'restore-unfinished';

/** Where the restore puts the data; it removes nothing anywhere else. */
export interface RestoreTargets {
  readonly database: string;
  readonly storage: string;
}

const markerSchema = z.strictObject({ database: z.string(), storage: z.string() });

/** Throws `AppError` database_unavailable where a restore into this DATA_DIR has begun and not ended. */
export async function assertRestoreFinished(dataDir: string): Promise<void> {
  if ((await readMarker(dataDir)) === null) return;
  throw new AppError(
    'database_unavailable',
    `A restore into ${dataDir} is running or was cut off: run "anyrag restore" again, or empty the folder.`,
  );
}

/** Null where no restore has begun. */
export async function readMarker(dataDir: string): Promise<RestoreTargets | null> {
  let text: string;
  try {
    text = await readFile(join(dataDir, MARKER_FILE), 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return null;
    throw error;
  }
  return parseMarker(text);
}

export async function writeMarker(dataDir: string, targets: RestoreTargets): Promise<void> {
  await writeTextDurably(join(dataDir, MARKER_FILE), JSON.stringify(targets));
  await syncToDisk(dataDir);
  // DATA_DIR itself may be new.
  await syncToDisk(dirname(dataDir));
}

export async function removeMarker(dataDir: string): Promise<void> {
  await rm(join(dataDir, MARKER_FILE));
  await syncToDisk(dataDir);
}

/** One that was cut off while it was written stands for a restore that has written nothing else. */
function parseMarker(text: string): RestoreTargets {
  try {
    return markerSchema.parse(JSON.parse(text));
  } catch {
    return { database: '', storage: '' };
  }
}
