import { spawnSync } from 'node:child_process';
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { link, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { childrenOf } from './worker-process.ts';

/** Something that happens to the database of running processes, and the way back. */
export interface Fault {
  cause(): Promise<void>;
  mend(): Promise<void>;
}

const isLinux = process.platform === 'linux';
/** Whether a file system of a few megabytes can be made, which takes the rights of root. */
export const canMount = isLinux && succeeds('unshare', '--mount', 'true');
/** Part of util-linux. */
export const canLimitFiles = isLinux && succeeds('prlimit', '--version');

/** A file system in memory that holds so much and no more. */
export async function mountSmallDisk(megabytes: number): Promise<{ directory: string; unmount(): Promise<void> }> {
  const directory = await mkdtemp(join(tmpdir(), 'anyrag-disk-'));
  run('mount', '-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', directory);
  return {
    directory,
    async unmount() {
      run('umount', directory);
      await rm(directory, { recursive: true });
    },
  };
}

/** Every byte that is left. */
export function fullDisk(directory: string): Fault {
  const filler = join(directory, 'filler');
  return {
    async cause() {
      const file = openSync(filler, 'w');
      for (const size of [65_536, 4_096, 1]) while (hasWritten(file, Buffer.alloc(size)));
      closeSync(file);
    },
    mend: () => rm(filler),
  };
}

/** No file of the process `parent()`, nor of those that it has started and will start, may outgrow the write-ahead log. */
export function limitedFiles(path: string, parent: () => number): Fault {
  const limit = (bytes: number | 'unlimited') => {
    for (const pid of [parent(), ...childrenOf(parent())]) run('prlimit', `--fsize=${bytes}:`, '--pid', String(pid));
  };
  return {
    cause: async () => limit(statSync(`${path}-wal`).size),
    mend: async () => limit('unlimited'),
  };
}

/** Whether a file can be made unchangeable even for who has it open: takes root, and a file system that knows of it. */
export function canFreeze(directory: string): boolean {
  return isLinux && succeeds('chattr', '+i', directory) && succeeds('chattr', '-i', directory);
}

/** Read-only, also for the processes that have them open. */
export function readOnlyFiles(path: string): Fault {
  const files = [path, `${path}-wal`];
  return {
    cause: async () => run('chattr', '+i', ...files),
    mend: async () => run('chattr', '-i', ...files),
  };
}

/** Deleted under whoever has it open; `mend` brings back what they have gone on with. */
export function deletedFile(path: string): Fault {
  const kept = `${path}.kept`;
  return {
    async cause() {
      await link(path, kept);
      await rm(path);
    },
    mend: () => rename(kept, path),
  };
}

/** The pages that all access to these trees begins with, behind the caches of those who have the file open. */
export function damagedPages(path: string, trees: readonly string[]): Fault {
  const saved = new Map<number, Buffer>();
  return {
    async cause() {
      const { pageSize, pages } = rootsOf(path, trees);
      const file = await open(path, 'r+');
      for (const page of pages) {
        const bytes = Buffer.alloc(pageSize);
        await file.read(bytes, 0, pageSize, (page - 1) * pageSize);
        saved.set((page - 1) * pageSize, bytes);
        await file.write(Buffer.alloc(pageSize, 0xff), 0, pageSize, (page - 1) * pageSize);
      }
      await file.close();
      // After a foreign commit nobody's cache counts any more.
      foreignly(path, (connection) => connection.exec('CREATE TABLE touched (n INTEGER)'));
    },
    async mend() {
      const file = await open(path, 'r+');
      for (const [offset, bytes] of saved) await file.write(bytes, 0, bytes.length, offset);
      await file.close();
    },
  };
}

function rootsOf(path: string, trees: readonly string[]): { pageSize: number; pages: number[] } {
  return foreignly(path, (connection) => {
    // Pages in the log would hide those in the file.
    const { busy } = connection.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
    if (busy !== 0) throw new Error('the write-ahead log could not be folded into the file');
    const { page_size: pageSize } = connection.prepare('PRAGMA page_size').get() as { page_size: number };
    const root = connection.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?');
    return { pageSize, pages: trees.map((tree) => (root.get(tree) as { rootpage: number }).rootpage) };
  });
}

/** With a connection that has nothing to do with the product. */
export function foreignly<T>(path: string, use: (connection: DatabaseSync) => T): T {
  const connection = new DatabaseSync(path, { timeout: 20_000 });
  try {
    return use(connection);
  } finally {
    connection.close();
  }
}

function hasWritten(file: number, bytes: Buffer): boolean {
  try {
    return writeSync(file, bytes) > 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}

function succeeds(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status === 0;
}

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`);
}
