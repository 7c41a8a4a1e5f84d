/** What is used of the packages that only `script/bench-jobs` installs, so nothing else may need them. */

export interface PgPool {
  query(text: string, values?: unknown[]): Promise<{ rows: { [column: string]: unknown }[] }>;
  on(event: 'error', listener: (error: Error) => void): void;
  on(
    event: 'connect',
    listener: (client: { on: (event: 'error', listener: (error: Error) => void) => void }) => void,
  ): void;
  end(): Promise<void>;
}

export interface GraphileWorker {
  run(options: {
    preset: { worker: { [name: string]: unknown } };
    pgPool: PgPool;
    taskList: { [name: string]: (payload: unknown) => Promise<void> };
  }): Promise<{ stop(): Promise<void> }>;
  runMigrations(options: { pgPool: PgPool }): Promise<void>;
  Logger: new (factory: () => () => void) => unknown;
}

export interface PgBoss {
  start(): Promise<unknown>;
  stop(options: { graceful: boolean; close?: boolean }): Promise<void>;
  createQueue(name: string, options?: object): Promise<void>;
  insert(name: string, jobs: readonly { data: object }[]): Promise<unknown>;
  work(name: string, options: object, handler: (jobs: { data: unknown }[]) => Promise<void>): Promise<string>;
  offWork(name: string, options?: object): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): void;
}

export interface BullQueue {
  addBulk(jobs: readonly { name: string; data: object }[]): Promise<unknown>;
  getJobCounts(...states: string[]): Promise<{ [state: string]: number }>;
  waitUntilReady(): Promise<unknown>;
  close(): Promise<void>;
}

export interface BullWorker {
  run(): Promise<void>;
  close(): Promise<void>;
  waitUntilReady(): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): void;
}

export interface BullMq {
  Queue: new (name: string, options: object) => BullQueue;
  Worker: new (name: string, processor: (job: { data: unknown }) => Promise<void>, options: object) => BullWorker;
}

export async function importBullMq(): Promise<BullMq> {
  return (await importPeer('bullmq')) as BullMq;
}

export async function importGraphileWorker(): Promise<GraphileWorker> {
  return (await importPeer('graphile-worker')) as GraphileWorker;
}

export async function importPgBoss(): Promise<new (options: object) => PgBoss> {
  return ((await importPeer('pg-boss')) as { PgBoss: new (options: object) => PgBoss }).PgBoss;
}

export async function importPgPool(): Promise<new (options: object) => PgPool> {
  const { default: pg } = (await importPeer('pg')) as { default: { Pool: new (options: object) => PgPool } };
  return pg.Pool;
}

function importPeer(name: string): Promise<unknown> {
  return import(name);
}
