import { readFile } from 'node:fs/promises';

/** Linux tells times in hundredths of a second on every platform that Node is built for. */
const TICK_MS = 10;

/** Processor time of a process and its threads so far; null once it has ended, and where the system does not tell. */
export async function processorMs(pid: number): Promise<number | null> {
  if (process.platform !== 'linux') return null;
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(nullIfGone);
  if (stat === null) return null;
  // "pid (name) state …"; the name may hold anything. Of the fields after it, user and system time are the 12th and 13th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function nullIfGone(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ESRCH') return null;
  throw error;
}
