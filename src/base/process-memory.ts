import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Linux counts in pages; 4 KiB on all platforms that Node is built for but some ARM and POWER kernels, which have more. */
const PAGE_BYTES = 4096;

const run = promisify(execFile);

/** Bytes of memory that a process holds in RAM, or null if it has ended. */
export async function residentBytes(pid: number): Promise<number | null> {
  return process.platform === 'linux' ? residentBytesFromProc(pid) : residentBytesFromPs(pid);
}

/** Whether a process that has died with this on its standard error had filled its heap: V8 aborts, the text is the only sign. */
export function isFullHeap(stderr: string): boolean {
  return /heap out of memory|Allocation failed|out of memory/i.test(stderr);
}

async function residentBytesFromProc(pid: number): Promise<number | null> {
  try {
    const statm = await readFile(`/proc/${pid}/statm`, 'latin1');
    return Number(statm.split(' ')[1]) * PAGE_BYTES;
  } catch (error) {
    if (hasErrno(error, 'ENOENT', 'ESRCH')) return null;
    throw error;
  }
}

/** POSIX has `ps -o rss=` in units of 1024 bytes. It exits with 1 for a process that is gone. */
async function residentBytesFromPs(pid: number): Promise<number | null> {
  try {
    const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(pid)]);
    return Number(stdout.trim()) * 1024;
  } catch (error) {
    if ((error as { code?: unknown }).code === 1) return null;
    throw error;
  }
}

function hasErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '');
}
