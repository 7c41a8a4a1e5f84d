import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { FromWorker, Started, ToWorker } from './recorded-worker.ts';

export interface WorkerProcessOptions {
  module: URL;
  /** Of the database, for the worker. */
  path: string;
}

/** A worker in a process of its own, opened and ready but not started. */
export class WorkerProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async open({ module, path }: WorkerProcessOptions): Promise<WorkerProcess> {
    const child = fork(module, [path], { execArgv: ['--disable-warning=ExperimentalWarning'] });
    const worker = new WorkerProcess(child);
    await worker.#answer('ready');
    return worker;
  }

  start(): void {
    this.#tell('start');
  }

  async cpuMicros(): Promise<number> {
    const answer = this.#answer('cpu');
    this.#tell('cpu');
    return (await answer).cpuMicros;
  }

  /** Lets the process end, and answers every job that it has begun. */
  async stop(): Promise<{ started: Started[]; cpuMicros: number }> {
    const answer = this.#answer('stopped');
    this.#tell('stop');
    const { started, cpuMicros } = await answer;
    const exit = once(this.#child, 'exit');
    this.#child.disconnect();
    await exit;
    return { started, cpuMicros };
  }

  /** For a run that has failed. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #tell(message: ToWorker): void {
    this.#child.send(message);
  }

  #answer<K extends FromWorker['kind']>(kind: K): Promise<Extract<FromWorker, { kind: K }>> {
    return new Promise((resolve, reject) => {
      const fail = (code: number | null) =>
        reject(new Error(`a worker process ended with ${code} before it was ${kind}`));
      const receive = (message: FromWorker) => {
        if (message.kind !== kind) return;
        this.#child.off('message', receive);
        this.#child.off('exit', fail);
        resolve(message as Extract<FromWorker, { kind: K }>);
      };
      this.#child.on('message', receive);
      this.#child.on('exit', fail);
    });
  }
}
