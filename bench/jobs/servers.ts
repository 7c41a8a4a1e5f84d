import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server of its own for one contender, on a unix socket in a folder of its own. */
export interface Server {
  /** For PostgreSQL the folder of its socket, for Redis the socket itself. */
  readonly address: string;
  /** Ends it and removes its folder. */
  stop(): Promise<void>;
}

const START_MS = 60_000;
const LOOK_MS = 20;
const DEBIAN_POSTGRES = '/usr/lib/postgresql';
export const POSTGRES_USER = 'bench';
/** The name of a PostgreSQL socket ends in its port, also where nothing listens on that. */
export const POSTGRES_PORT = 5432;

/** Folder of `initdb` and `postgres`, or null where PostgreSQL is not installed. */
export function findPostgres(): string | null {
  const debian = readDirectories(DEBIAN_POSTGRES)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(DEBIAN_POSTGRES, version, 'bin'));
  return (
    [...searchPath(), ...debian].find((folder) => ['initdb', 'postgres'].every((name) => isProgram(folder, name))) ??
    null
  );
}

/** Path of `redis-server`, or null where Redis is not installed. */
export function findRedis(): string | null {
  const folder = searchPath().find((candidate) => isProgram(candidate, 'redis-server'));
  return folder === undefined ? null : join(folder, 'redis-server');
}

/** A new cluster with the settings, whose superuser `bench` needs no password. It runs as a user without privileges. */
export async function startPostgres(folder: string, settings: Readonly<Record<string, string>>): Promise<Server> {
  const user = unprivilegedUser();
  const directory = await makeDirectory('anyrag-pg-', user);
  const data = join(directory, 'data');
  const initdb = spawn(
    join(folder, 'initdb'),
    ['-D', data, '-U', POSTGRES_USER, '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'],
    { ...user, cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const [code] = await once(initdb, 'exit');
  if (code !== 0) throw new Error(`initdb ended with ${code}`);
  const options = Object.entries({
    ...settings,
    listen_addresses: '',
    unix_socket_directories: directory,
    port: String(POSTGRES_PORT),
  });
  const server = spawn(
    join(folder, 'postgres'),
    ['-D', data, ...options.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    { ...user, cwd: directory, stdio: 'ignore' },
  );
  // It listens before it takes connections, and says here when it does.
  const isReady = () => /^ready/m.test(textOf(join(data, 'postmaster.pid')));
  // SIGINT: ends without waiting for clients.
  return ready({ child: server, name: 'PostgreSQL', address: directory, directory, stopSignal: 'SIGINT' }, isReady);
}

/** An empty Redis with the settings. */
export async function startRedis(program: string, settings: Readonly<Record<string, string>>): Promise<Server> {
  const user = unprivilegedUser();
  const directory = await makeDirectory('anyrag-redis-', user);
  const socket = join(directory, 'redis.sock');
  const options = Object.entries({ ...settings, port: '0', unixsocket: socket, unixsocketperm: '777', dir: directory });
  const server = spawn(
    program,
    options.flatMap(([name, value]) => [`--${name}`, value]),
    { ...user, cwd: directory, stdio: 'ignore' },
  );
  const isReady = () => existsSync(socket);
  return ready({ child: server, name: 'Redis', address: socket, directory, stopSignal: 'SIGTERM' }, isReady);
}

interface Started {
  child: ChildProcess;
  name: string;
  address: string;
  directory: string;
  stopSignal: NodeJS.Signals;
}

async function ready(started: Started, isReady: () => boolean): Promise<Server> {
  const { child, address, directory, stopSignal } = started;
  const exited = once(child, 'exit');
  // The measurement may end in an error, and no server may outlive it.
  const abandon = () => {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', abandon);
  await untilReady(started, isReady);
  return {
    address,
    async stop() {
      process.off('exit', abandon);
      child.kill(stopSignal);
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function untilReady({ child, name }: Started, isReady: () => boolean): Promise<void> {
  const deadline = performance.now() + START_MS;
  while (!isReady()) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} ended before it was ready`);
    if (performance.now() > deadline) throw new Error(`${name} is not ready after ${START_MS} ms`);
    await sleep(LOOK_MS);
  }
}

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** Servers refuse to run as root, or should. Nothing where this process is not root anyway. */
function unprivilegedUser(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string) => Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // There is no such user; the next one may be.
    }
  }
  throw new Error('there is no user without privileges for a server to run as');
}

async function makeDirectory(prefix: string, { uid, gid }: { uid?: number; gid?: number }): Promise<string> {
  const directory = await mkdtemp(join(process.env.BENCH_DIR ?? tmpdir(), prefix));
  if (uid !== undefined && gid !== undefined) await chown(directory, uid, gid);
  return directory;
}

function searchPath(): string[] {
  return (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
}

function isProgram(folder: string, name: string): boolean {
  try {
    accessSync(join(folder, name), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function readDirectories(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
