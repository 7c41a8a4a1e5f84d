import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isFullHeap, residentBytes } from '../base/process-memory.ts';
import type { AppError } from '../errors/app-error.ts';
import type { ClaimedJob, Outcome } from '../jobs/index.ts';
import type { Logger } from '../telemetry/logger.ts';
import { type Metrics, NO_METRICS } from '../telemetry/metrics.ts';
import { countRelayed } from '../telemetry/relayed-metrics.ts';
import type { HostReply, HostRequest } from './job-host-protocol.ts';

export interface JobHostOptions {
  /** Module that the process runs; it calls `serveJobs`. */
  entry: URL;
  /** Most resident memory of the process, buffers and native code included. It needs about 100 to start. */
  memoryMb: number;
  /** How long a job may go on after it was told to stop before its process is killed. */
  abortGraceMs: number;
  log: Logger;
  /** Told what its jobs measure. Undefined: nobody is. */
  metrics?: Metrics;
}

/** How a run on a host ended. */
export type HostEnding =
  | { kind: 'answered'; outcome: Outcome }
  /** Told to stop, it never began, or its process was killed. */
  | { kind: 'aborted' }
  /** The process ended before the job had begun. */
  | { kind: 'not_begun'; cause: Error }
  | { kind: 'crashed'; code: 'job_crashed' | 'job_out_of_memory'; cause: Error };

const MEMORY_CHECK_EVERY_MS = 250;
const STDERR_CHARS = 8_192;
/** An idle process ends in a few milliseconds when its channel closes. */
const END_MS = 1_000;
/** The end of the output comes after the end of the process, unless something else holds the pipe open. */
const LAST_OUTPUT_MS = 200;

/** One process that runs jobs, one at a time. */
export class JobHost {
  readonly #options: JobHostOptions;
  readonly #child: ChildProcess;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  readonly #ready = Promise.withResolvers<void>();
  #stderr = '';
  #how = 'was not started';
  #isUsable = true;
  #exceededMemory = false;
  #isAborted = false;
  #jobsRun = 0;
  #receive: (reply: HostReply) => void = () => {};

  constructor(options: JobHostOptions) {
    this.#options = options;
    this.#child = startProcess(options);
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_CHARS);
    });
    this.#child.on('message', (reply: HostReply) => {
      if (reply.kind === 'ready') this.#ready.resolve();
      else if (reply.kind === 'measured') countRelayed(options.metrics ?? NO_METRICS, reply.relayed);
      else this.#receive(reply);
    });
    this.ended = new Promise((resolve) => {
      const end = (how: string) => {
        this.#isUsable = false;
        this.#how = how;
      };
      this.#child.once('error', (error) => {
        end(`could not be started: ${error.message}`);
        resolve();
      });
      this.#child.once('exit', (code, signal) => {
        end(`ended with ${signal ?? code}`);
        setTimeout(resolve, LAST_OUTPUT_MS);
      });
      this.#child.once('close', () => resolve());
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Alive, and nothing of an earlier job goes on in it. */
  get isUsable(): boolean {
    return this.#isUsable;
  }

  /** Its job was told to stop. */
  get isAborted(): boolean {
    return this.#isAborted;
  }

  get jobsRun(): number {
    return this.#jobsRun;
  }

  /** Runs a job to its end, or until the process ends. One at a time. */
  async run(job: ClaimedJob, signal: AbortSignal): Promise<HostEnding> {
    this.#jobsRun++;
    const unwatch = [this.#watchMemory(), this.#watchAbort(signal)];
    try {
      await Promise.race([this.#ready.promise, this.ended, aborted(signal)]);
      if (signal.aborted) return { kind: 'aborted' };
      const ending = await this.#answerTo(job);
      // A handler may end its process when it is told to stop: that is no crash.
      return signal.aborted && ending.kind !== 'answered' ? { kind: 'aborted' } : ending;
    } finally {
      for (const stop of unwatch) stop();
      this.#receive = () => {};
      this.#isAborted = false;
    }
  }

  /** Bytes of memory that the process holds now; 0 once it has ended, and where the system does not tell. */
  async memory(): Promise<number> {
    const { pid } = this.#child;
    if (pid === undefined || !this.#isUsable) return 0;
    try {
      return (await residentBytes(pid)) ?? 0;
    } catch (error) {
      this.#options.log.warn({ event: 'worker.memory_unknown', err: error }, 'the memory of a job cannot be measured');
      return 0;
    }
  }

  /** Ends an idle process: it goes when its channel closes. */
  end(): void {
    this.#isUsable = false;
    if (this.#child.connected) this.#child.disconnect();
    // What an earlier job has left running may keep it from noticing.
    const timer = setTimeout(() => this.kill(), END_MS);
    void this.ended.then(() => clearTimeout(timer));
  }

  kill(): void {
    this.#isUsable = false;
    this.#child.kill('SIGKILL');
  }

  async #answerTo(job: ClaimedJob): Promise<HostEnding> {
    let hasBegun = false;
    const answer = new Promise<HostEnding>((resolve) => {
      this.#receive = (reply) => {
        if (reply.kind === 'began') hasBegun = true;
        if (reply.kind !== 'ended') return;
        if (reply.isGivenUp) this.kill();
        resolve({ kind: 'answered', outcome: reply.outcome });
      };
    });
    this.#send({ kind: 'run', job });
    const death = this.ended.then(() => (hasBegun ? this.#crash() : this.#neverBegan()));
    return Promise.race([answer, death]);
  }

  #crash(): HostEnding {
    const isFull = this.#exceededMemory || isFullHeap(this.#stderr);
    return { kind: 'crashed', code: isFull ? 'job_out_of_memory' : 'job_crashed', cause: this.#cause() };
  }

  #neverBegan(): HostEnding {
    return { kind: 'not_begun', cause: this.#cause() };
  }

  #cause(): Error {
    return new Error(`The process of the job ${this.#how}: ${this.#stderr}`);
  }

  /** A process that is gone before it hears this is reported by its end. */
  #send(request: HostRequest): void {
    if (this.#child.connected) this.#child.send(request, () => {});
  }

  #watchMemory(): () => void {
    const maxBytes = this.#options.memoryMb * 1024 * 1024;
    const timer = setInterval(() => {
      void this.memory().then((bytes) => {
        if (bytes <= maxBytes) return;
        this.#exceededMemory = true;
        this.kill();
      });
    }, MEMORY_CHECK_EVERY_MS);
    return () => clearInterval(timer);
  }

  #watchAbort(signal: AbortSignal): () => void {
    let timer: NodeJS.Timeout | undefined;
    const onAbort = () => {
      const { code, detail } = signal.reason as AppError;
      this.#isAborted = true;
      this.#send({ kind: 'abort', code, detail });
      timer = setTimeout(() => this.kill(), this.#options.abortGraceMs);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    return () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function startProcess({ entry, memoryMb }: JobHostOptions): ChildProcess {
  const flags = [...process.execArgv, `--max-old-space-size=${memoryMb}`];
  return spawn(process.execPath, [...flags, fileURLToPath(entry)], {
    // Its log goes where the worker's goes.
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    serialization: 'json',
  });
}
