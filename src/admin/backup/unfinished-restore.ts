import { readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { syncToDisk, writeTextDurably } from '../../base/durable-writes.ts';
import { AppError } from '../../errors/app-error.ts';

/** In DATA_DIR from the first to the last step of a restore: while it is there, nothing may use the data. */
export const MARKER_FILE = 'restore-unfinished';

/** Where the restore puts the data; it removes nothing anywhere else. */
export interface RestoreTargets {
  readonly database: string;
  readonly storage: string;
}

const markerSchema = z.strictObject({ database: z.string(), storage: z.string(), pid: z.int() });

/** Who has begun a restore, and where it puts the data. */
export type RestoreMarker = z.infer<typeof markerSchema>;

/** Throws `AppError` database_unavailable where a restore into this DATA_DIR has begun and not ended. */
export async function assertRestoreFinished(dataDir: string): Promise<void> {
  if ((await readMarker(dataDir)) === null) return;
  throw new AppError(
    'database_unavailable',
    `A restore into ${dataDir} is running or was cut off: run "anyrag restore" again, or empty the folder.`,
  );
}

/** Null where no restore has begun. */
export async function readMarker(dataDir: string): Promise<RestoreMarker | null> {
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
  await writeTextDurably(join(dataDir, MARKER_FILE), JSON.stringify({ ...targets, pid: process.pid }));
  await syncToDisk(dataDir);
  // DATA_DIR itself may be new.
  await syncToDisk(dirname(dataDir));
}

export async function removeMarker(dataDir: string): Promise<void> {
  await rm(join(dataDir, MARKER_FILE));
  await syncToDisk(dataDir);
}

/**
 * Throws `AppError` conflict where the process that has begun a restore still runs: two at once would take away each other's
 * files. A number that another process has by now is taken for it, so the sentence says what to do then.
 */
export function assertNotRunning({ pid }: RestoreMarker, dataDir: string): void {
  if (pid === process.pid || !isAlive(pid)) return;
  throw new AppError(
    'conflict',
    `Process ${pid} is restoring into ${dataDir}. If that is another program, empty the folder and restore again.`,
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** One that was cut off while it was written stands for a restore that has written nothing else. */
function parseMarker(text: string): RestoreMarker {
  try {
    return markerSchema.parse(JSON.parse(text));
  } catch {
    return { database: '', storage: '', pid: process.pid };
  }
}
