import { beforeEach, describe, expect, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { interceptBatches, mentions } from '../../test/harness/intercept.ts';
import { waitUntil } from '../../test/harness/wait-until.ts';
import type { Database } from '../db/database.ts';
import { now, sql } from '../db/sql.ts';
import { createLogger } from '../telemetry/logger.ts';
import { Lease } from './lease.ts';

let db: Database;
let url: string;
let leases: Lease[];

beforeEach(async () => {
  const created = await createTestDatabase();
  ({ db, url } = created);
  leases = [];
  return async () => {
    for (const lease of leases) await lease.stop();
    await created.close();
  };
});

function newLease(options: { db?: Database; leaseMs?: number } = {}): Lease {
  const log = createLogger({ level: 'silent', service: 'worker' });
  const database = { url, durability: 'normal' } as const;
  const lease = new Lease({ db, database, leaseMs: 600, log, queues: null, jobTypes: ['work'], ...options });
  leases.push(lease);
  return lease;
}

async function workerIds(): Promise<unknown[]> {
  return (await db.query(sql`SELECT worker_id FROM workers`)).map((row) => row.worker_id);
}

async function leaseUntil(): Promise<number> {
  return (await db.query<{ until: number }>(sql`SELECT max(lease_until) AS until FROM workers`))[0]!.until;
}

/** As if the process had stood still for too long. */
async function expire(): Promise<void> {
  await db.batch([sql`UPDATE workers SET lease_until = ${now} - 1`]);
}

describe('a lease', () => {
  test('is a row that is extended beat by beat, and is gone when it is stopped', async () => {
    // Long enough for a slow start of the thread, whose first beat comes at once.
    const lease = newLease({ leaseMs: 20_000 });
    await lease.start();
    expect(await workerIds()).toEqual([lease.workerId]);
    const first = await leaseUntil();

    await waitUntil(async () => (await leaseUntil()) > first, 'a beat');
    await lease.stop();
    await lease.stop();

    expect(lease.workerId).toBeNull();
    expect(await workerIds()).toEqual([]);
  });

  test('that is lost says so once, and is followed by one with another id', async () => {
    const lease = newLease();
    let lost = 0;
    lease.onLost(() => {
      lost++;
    });
    await lease.start();
    const first = lease.workerId;

    await expire();
    await waitUntil(() => lease.workerId !== null && lease.workerId !== first, 'the next lease');

    expect(lost).toBe(1);
    expect(await workerIds()).toContain(lease.workerId);
  });

  test('that cannot be taken again at once is taken later', async () => {
    let failures = 0;
    const flaky = interceptBatches(db, async (statements, run) => {
      if (failures === 1 && mentions(statements, /INSERT INTO workers/)) {
        failures++;
        throw new Error('not now');
      }
      return run(statements);
    });
    const lease = newLease({ db: flaky });
    await lease.start();
    const first = lease.workerId;

    failures = 1;
    await expire();
    await waitUntil(() => lease.workerId !== null && lease.workerId !== first, 'the next lease');

    expect(failures).toBe(2);
  });

  test('that is stopped while the next one is being taken leaves no row', async () => {
    const taking = Promise.withResolvers<void>();
    const mayTake = Promise.withResolvers<void>();
    let starts = 0;
    const held = interceptBatches(db, async (statements, run) => {
      if (mentions(statements, /INSERT INTO workers/) && ++starts === 2) {
        taking.resolve();
        await mayTake.promise;
      }
      return run(statements);
    });
    const lease = newLease({ db: held });
    await lease.start();
    await expire();
    await taking.promise;

    const stopped = lease.stop();
    mayTake.resolve();
    await stopped;

    expect(lease.workerId).toBeNull();
    await db.batch([sql`DELETE FROM workers WHERE lease_until < ${now}`]);
    expect(await workerIds()).toEqual([]);
  });
});
