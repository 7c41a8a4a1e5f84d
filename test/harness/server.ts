import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

export const LAUNCHER = join(import.meta.dirname, '../../bin/anyrag');
const START_MS = 30_000;
const STOP_MS = 20_000;

/** A line of the log; what is no JSON has only `msg`. */
export type LogLine = Record<string, unknown> & { msg: string };

export interface TestServer {
  /** Of the API that listens now: with PORT=0 a restarted one has another port. */
  readonly url: string;
  readonly dataDir: string;
  /** Of the supervisor. */
  readonly pid: number;
  /** Variables with which another command (`users create`, `doctor`) works on the same data. */
  readonly env: Readonly<Record<string, string>>;
  /** Everything written to the log so far, of all processes. */
  readonly log: readonly LogLine[];
  /** The next line from now on with this `event`; fails after `timeoutMs` (30 s). Ask before you cause it. */
  next(event: string, timeoutMs?: number): Promise<LogLine>;
  /** SIGKILL to the API or to the worker that became ready last; answers its pid. The supervisor starts it again. */
  kill(child: 'api' | 'worker'): number;
  /** SIGTERM, as an operator would, and removes the data. May be called twice. */
  stop(): Promise<void>;
}

export interface TestServerOptions {
  /** On top of a free port, no embedding model and no rate limits. */
  env?: Record<string, string>;
  /** Default 1. */
  workers?: number;
  /** Data of a server that was stopped with `keepData`; default: a new directory. */
  dataDir?: string;
  /** The directory stays when the server stops; the test removes it. */
  keepData?: boolean;
}

/** Starts `bin/anyrag up` as an operator would, on a directory of its own, and waits until it is ready. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'anyrag-server-')));
  const env = serverEnvironment(dataDir, options);
  // In its own directory, so that no anyrag.yml of the developer is read. The channel stops it when the tests are killed.
  const up = spawn(LAUNCHER, ['up'], { cwd: dataDir, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const log = followLog(up);

  async function stop(): Promise<void> {
    await stopProcess(up);
    if (options.keepData !== true) await rm(dataDir, { recursive: true, force: true });
  }
  try {
    await log.next('up.ready', START_MS);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    get url() {
      return log.last('api.listening').url as string;
    },
    dataDir,
    pid: up.pid!,
    env,
    log: log.lines,
    next: (event, timeoutMs = START_MS) => log.next(event, timeoutMs),
    kill(child) {
      const pid = log.last(child === 'api' ? 'api.listening' : 'worker.ready').pid as number;
      process.kill(pid, 'SIGKILL');
      return pid;
    },
    stop,
  };
}

function serverEnvironment(dataDir: string, { env, workers = 1 }: TestServerOptions): Record<string, string> {
  return {
    ...bareEnvironment(),
    DATA_DIR: dataDir,
    PORT: '0',
    WORKERS: String(workers),
    EMBEDDING_PROVIDER: 'none',
    RATE_LIMITS: 'off',
    ...env,
  };
}

/** Nothing of the developer's environment but what finds the Node that runs the tests. */
export function bareEnvironment(): Record<string, string> {
  return { PATH: [dirname(process.execPath), process.env.PATH].join(delimiter), HOME: tmpdir() };
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // 'close' comes when the last line of the log has been read, too.
  const exited = once(child, 'close');
  child.kill('SIGTERM');
  const tooLong = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await exited;
  clearTimeout(tooLong);
}

/** Reads the log of a process as it is written. */
export function followLog(child: ChildProcess) {
  const lines: LogLine[] = [];
  const waiters = new Set<(line: LogLine) => void>();

  for (const stream of [child.stdout!, child.stderr!]) {
    createInterface({ input: stream }).on('line', (text) => {
      const line = parseLine(text);
      lines.push(line);
      for (const waiter of waiters) waiter(line);
    });
  }

  return {
    lines,
    last(event: string): LogLine {
      const line = lines.findLast((candidate) => candidate.event === event);
      if (line === undefined) throw new Error(`no ${event} in the log`);
      return line;
    },
    next(event: string, timeoutMs: number): Promise<LogLine> {
      return new Promise((resolve, reject) => {
        const end = (finish: () => void) => {
          waiters.delete(look);
          clearTimeout(timer);
          child.off('exit', died);
          finish();
        };
        const look = (line: LogLine) => {
          if (line.event === event) end(() => resolve(line));
        };
        const fail = (why: string) =>
          end(() =>
            reject(new Error(`${why} before ${event}:\n${lines.map((line) => JSON.stringify(line)).join('\n')}`)),
          );
        const died = () => fail('the server ended');
        const timer = setTimeout(() => fail(`${timeoutMs} ms passed`), timeoutMs);
        child.once('exit', died);
        waiters.add(look);
      });
    },
  };
}

function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { msg: text };
  }
}
