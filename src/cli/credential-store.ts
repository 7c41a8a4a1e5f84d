import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TimedOutError } from '../client/index.ts';
import { AppError } from '../errors/app-error.ts';

/** One sign-in, as `anyrag login` stored it. */
export interface StoredLogin {
  email: string;
  access_token: string;
  /** Milliseconds since 1970, by the clock of this machine. */
  access_expires_at: number;
  refresh_token: string;
}

export interface CredentialStore {
  /** Throws `AppError` config_invalid when the file is damaged or can be read by others. */
  read(server: string): Promise<StoredLogin | null>;
  /**
   * Lets `change` decide what is stored for a server, null for nothing, while no other process does. The file is replaced
   * as a whole, so a crash leaves the old or the new one.
   */
  change(server: string, change: (current: StoredLogin | null) => Promise<StoredLogin | null>): Promise<void>;
}

interface CredentialFile {
  version: 1;
  servers: Record<string, StoredLogin>;
}

export function openCredentialStore(path: string): CredentialStore {
  return {
    async read(server) {
      const { servers } = await readFileOf(path);
      return Object.hasOwn(servers, server) ? servers[server]! : null;
    },
    async change(server, change) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await withLock(`${path}.lock`, async () => {
        const { servers } = await readFileOf(path);
        const { [server]: current = null, ...others } = servers;
        const next = await change(current);
        if (next === current) return;
        await replaceFile(path, { version: 1, servers: next === null ? others : { ...others, [server]: next } });
      });
    },
  };
}

async function readFileOf(path: string): Promise<CredentialFile> {
  let text: string;
  try {
    const { mode } = await stat(path);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new AppError('config_invalid', `${path} can be read by others: run \`chmod 600 ${path}\`.`);
    }
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { version: 1, servers: {} };
    if (error instanceof AppError) throw error;
    throw new AppError('config_invalid', `${path} cannot be read.`, { cause: error });
  }
  return parseFile(text, path);
}

function parseFile(text: string, path: string): CredentialFile {
  const damaged = (cause?: unknown) =>
    new AppError('config_invalid', `${path} is damaged: remove it and sign in again.`, { cause });
  let file: Partial<CredentialFile> | null;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw damaged(error);
  }
  if (file?.version !== 1 || typeof file.servers !== 'object') throw damaged();
  return file as CredentialFile;
}

async function replaceFile(path: string, content: CredentialFile): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  try {
    const handle = await open(draft, 'wx', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(content, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
  }
}

const LOCK_LOOK_MS = 25;
/** Longer than a holder waits for a server. */
const LOCK_STALE_MS = 90_000;
const LOCK_WAIT_MS = 120_000;

/**
 * Two processes that refresh at once would send one token twice, which the server takes for theft and ends the session. Node
 * has no lock of the operating system, so a file stands for it: it is left behind by a crash, and then taken over.
 */
async function withLock<T>(path: string, act: () => Promise<T>): Promise<T> {
  const deadlineMs = performance.now() + LOCK_WAIT_MS;
  while (!(await takeLock(path))) {
    if (performance.now() > deadlineMs) throw new TimedOutError(`${path} is held by another process`);
    await sleep(LOCK_LOOK_MS);
  }
  try {
    return await act();
  } finally {
    await rm(path, { force: true });
  }
}

async function takeLock(path: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx', 0o600);
    await handle.writeFile(JSON.stringify({ pid: process.pid, host: hostname() }));
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (await isAbandoned(path)) await rm(path, { force: true });
    return false;
  }
}

async function isAbandoned(path: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > LOCK_STALE_MS) return true;
    const holder = JSON.parse(await readFile(path, 'utf8')) as { pid: number; host: string };
    return holder.host === hostname() && !isAlive(holder.pid);
  } catch (error) {
    // It was released, or its holder has not written its name yet.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
