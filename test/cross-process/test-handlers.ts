import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Database } from '../../src/db/database.ts';
import { sql } from '../../src/db/sql.ts';
import type { JobContext, JobHandler } from '../../src/jobs/index.ts';

type Run = (payload: Record<string, unknown>, context: JobContext) => Promise<Record<string, unknown>>;

const LOOK_MS = 10;

/**
 * Types of jobs that do what their name says, each one also as `isolated_…`. `effects` is a table of the test: one row for
 * each time that a handler has done its work behind the fence.
 */
export function testHandlers(db: Database): ReadonlyMap<string, JobHandler> {
  const runs: Record<string, Run> = {
    async quick(_, context) {
      await effect(context);
      return done();
    },
    /** Works a little, so that a kill finds it at work. */
    async short({ ms }, context) {
      await delay(Number(ms));
      await effect(context);
      return done();
    },
    /** Waits until the test opens the gate. */
    async gate({ gate }, context) {
      await untilOpen(db, String(gate), context.signal);
      await effect(context);
      return done();
    },
    /** As `gate`, by a handler that does not listen to its signal. */
    async heedless({ gate }, context) {
      await untilOpen(db, String(gate));
      await effect(context);
      return done();
    },
    /** The effect comes first; in the first attempt its completion never follows. */
    async effect_first(_, context) {
      await effect(context);
      if (context.attempt === 1) await forever();
      return { ...done(), token: context.token };
    },
    async says(_, context) {
      context.log.info({}, 'a line');
      context.progress('says', 1, 1);
      await effect(context);
      return done();
    },
    async block({ ms }, context) {
      blockFor(Number(ms));
      await effect(context);
      return done();
    },
    /** Hears no signal, but lets its process hear others. */
    async deaf(_, context) {
      await effect(context);
      return forever();
    },
    async deaf_and_blind(_, context) {
      await effect(context);
      blockFor(Number.POSITIVE_INFINITY);
      return {};
    },
    async exit() {
      process.exit(0);
    },
    async abort() {
      process.abort();
    },
    async segfault() {
      process.kill(process.pid, 'SIGSEGV');
      return forever();
    },
    async throw_later() {
      setImmediate(() => {
        throw new Error('nobody catches this');
      });
      return forever();
    },
    async fill_buffers() {
      const kept: Buffer[] = [];
      setInterval(() => kept.push(Buffer.alloc(16 * 1024 * 1024, 1)), 5);
      return forever();
    },
    async fill_heap() {
      const kept: object[] = [];
      for (;;) kept.push({ at: kept.length, more: [kept.length] });
    },
    /** Keeps memory, but gives an answer. */
    async leak({ mb }) {
      leaked.push(Buffer.alloc(Number(mb) * 1024 * 1024, 1));
      return done();
    },
  };
  return new Map(
    Object.entries(runs).flatMap(([name, run]): [string, JobHandler][] => [
      [name, handler(run)],
      [`isolated_${name}`, { ...handler(run), isolated: true }],
    ]),
  );
}

const leaked: Buffer[] = [];

function handler(run: Run): JobHandler {
  return { payload: z.record(z.string(), z.unknown()), run } as JobHandler;
}

function done(): Record<string, unknown> {
  return { pid: process.pid };
}

function effect({ jobId, attempt, token, write }: JobContext): Promise<unknown> {
  return write([
    sql`INSERT INTO effects (job_id, attempt, token, pid) VALUES (${jobId}, ${attempt}, ${token}, ${process.pid})`,
  ]);
}

async function untilOpen(db: Database, gate: string, signal?: AbortSignal): Promise<void> {
  while ((await db.query(sql`SELECT 1 FROM gates WHERE gate = ${gate}`)).length === 0) {
    await delay(LOOK_MS, undefined, { signal });
  }
}

function forever(): Promise<never> {
  return new Promise(() => setInterval(() => {}, 60_000));
}

function blockFor(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
