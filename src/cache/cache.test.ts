import { beforeEach, describe, expect, test } from 'vitest';
import { createUser } from '../../test/factories.ts';
import { createServedDatabase, createTestDatabase } from '../../test/harness/database.ts';
import type { Database, Statement } from '../db/database.ts';
import { now, sql } from '../db/sql.ts';
import { Cache, type CacheOptions } from './cache.ts';
import { jsonCodec, vectorCodec } from './codec.ts';
import { cachedTableSchema, deleteExpiredEntries } from './index.ts';

const HOUR_MS = 3_600_000;
const json = jsonCodec<unknown>();

let db: Database;
let warnings: Record<string, unknown>[];

beforeEach(() => {
  warnings = [];
});

function openCache(options: Partial<CacheOptions> = {}): Cache {
  return new Cache({ db, log: { warn: (fields) => void warnings.push(fields) }, ...options });
}

function entry(key: string, options: { ttlMs?: number; userId?: string | null } = {}) {
  return { name: 'rights', key, userId: null, ttlMs: HOUR_MS, codec: json, ...options } as const;
}

/** Asks for the entry and waits until it is stored. */
async function put(cache: Cache, key: string, value: unknown, options = {}): Promise<void> {
  await cache.getOrCompute(entry(key, options), async () => value);
  await cache.stored();
}

async function storedKeys(): Promise<string[]> {
  return (await db.query<{ cache_key: string }>(sql`SELECT cache_key FROM cache ORDER BY seq`)).map(
    (row) => row.cache_key,
  );
}

const never = async () => {
  throw new Error('computed although it was there');
};

/** The same database, whose reads or stores fail. */
function failing(what: 'query' | 'batch'): Database {
  const fail = async () => {
    throw new Error('disk full');
  };
  return new Proxy(db, {
    get: (target, name) => (name === what ? fail : Reflect.get(target, name).bind?.(target)),
  });
}

describe.each([
  ['a file', createTestDatabase],
  ['a server', createServedDatabase],
])('the cache on %s', (_, createDatabase) => {
  beforeEach(async () => {
    const created = await createDatabase();
    db = created.db;
    return created.close;
  });

  test('computes a value once for all processes', async () => {
    await put(openCache(), 'a:1', { roles: ['viewer'] });
    const other = openCache();
    expect(await other.getOrCompute(entry('a:1'), never)).toEqual({ roles: ['viewer'] });
    expect(await other.getOrCompute(entry('a:1'), never)).toEqual({ roles: ['viewer'] });
    expect(other.counts().rights).toMatchObject({ databaseHits: 1, memoryHits: 1, misses: 0, computed: 0 });
  });

  test('computes a value once for all who ask at the same time', async () => {
    const cache = openCache();
    let computed = 0;
    const compute = async () => ++computed;
    const values = await Promise.all(Array.from({ length: 20 }, () => cache.getOrCompute(entry('a'), compute)));
    expect(values).toEqual(Array(20).fill(1));
    expect(cache.counts().rights).toMatchObject({ misses: 20, computed: 1 });
    await cache.stored();
  });

  test('keeps names and keys apart', async () => {
    const cache = openCache();
    await put(cache, 'a', 1);
    expect(await cache.getOrCompute(entry('b'), async () => 2)).toBe(2);
    expect(await cache.getOrCompute({ ...entry('a'), name: 'query_vector' }, async () => 3)).toBe(3);
  });

  test('gives vectors back as they were', async () => {
    const vector = Float32Array.of(0.25, -1, 3.5e-20);
    const one = { ...entry('v'), codec: vectorCodec };
    const cache = openCache();
    // A view into a larger buffer, as a model may give it.
    await cache.getOrCompute(one, async () => Float32Array.of(9, ...vector, 9).subarray(1, 4));
    await cache.stored();
    expect(await openCache().getOrCompute(one, never as () => Promise<Float32Array>)).toEqual(vector);
  });

  test('forgets an entry at its instant by the clock of the database', async () => {
    await put(openCache(), 'a', 'old');
    await db.batch([sql`UPDATE cache SET expires_at = ${now} - 1`]);
    const cache = openCache();
    expect(await cache.getOrCompute(entry('a'), async () => 'new')).toBe('new');
    await cache.stored();
  });

  test('forgets in memory what is over in the database', async () => {
    await put(openCache(), 'a', 'old');
    await db.batch([sql`UPDATE cache SET expires_at = ${now} + 5`]);
    const cache = openCache();
    await expect.poll(() => cache.getOrCompute(entry('a'), async () => 'new'), { interval: 5 }).toBe('new');
    await cache.stored();
  });

  test('lets the oldest entries go when there are too many', async () => {
    const cache = openCache({ maxEntries: 3 });
    for (const key of ['a', 'b', 'c', 'd', 'e']) await put(cache, key, key);
    expect(await storedKeys()).toEqual(['rights:c', 'rights:d', 'rights:e']);
    expect(cache.counts().rights.evicted).toBe(2);
  });

  test('lets the oldest entries go when they are too long together', async () => {
    const cache = openCache({ maxBytes: 3_000 });
    for (const key of ['a', 'b', 'c', 'd']) await put(cache, key, 'x'.repeat(900));
    await put(cache, 'long', 'x'.repeat(1_500));
    expect(await storedKeys()).toEqual(['rights:d', 'rights:long']);
    const [size] = await db.query<{ bytes: number }>(sql`SELECT bytes FROM cache_size`);
    expect(size!.bytes).toBeLessThanOrEqual(3_000);
  });

  test('does not store what would push out everything else', async () => {
    const cache = openCache();
    await put(cache, 'huge', 'x'.repeat(2_000_000));
    expect(await storedKeys()).toEqual([]);
  });

  test('goes with the user it belongs to, and stores nothing for one who is gone', async () => {
    const ada = await createUser(db);
    const cache = openCache();
    await put(cache, 'of ada', 1, { userId: ada.userId });
    await put(cache, 'of nobody', 1);
    await db.batch([sql`DELETE FROM users WHERE user_id = ${ada.userId}`]);
    await put(cache, 'of ada, late', 1, { userId: ada.userId });
    expect(await storedKeys()).toEqual(['rights:of nobody']);
    expect(warnings).toEqual([]);
    expect(await db.query(sql`SELECT entries FROM cache_size`)).toEqual([{ entries: 1 }]);
  });

  test('is swept of what is over', async () => {
    const cache = openCache();
    await put(cache, 'a', 1);
    await put(cache, 'b', 1);
    await db.batch([sql`UPDATE cache SET expires_at = ${now} WHERE cache_key = 'rights:a'`]);
    const [gone] = await db.batch([deleteExpiredEntries()]);
    expect(gone).toHaveLength(1);
    expect(await storedKeys()).toEqual(['rights:b']);
  });
});

describe('the cache', () => {
  beforeEach(async () => {
    const created = await createTestDatabase();
    db = created.db;
    return created.close;
  });

  test.each(['query', 'batch'] as const)('whose %s fails is a miss and a line in the log', async (what) => {
    const cache = openCache({ db: failing(what) });
    expect(await cache.getOrCompute(entry('a'), async () => 1)).toBe(1);
    await cache.stored();
    expect(warnings).toMatchObject([{ event: 'cache.failed', cache: 'rights', err: { message: 'disk full' } }]);
    expect(cache.counts().rights).toMatchObject({ misses: 1, computed: 1, failures: 1 });
  });

  test('computes anew what it cannot read any more', async () => {
    await put(openCache(), 'a', 'old');
    await db.batch([sql`UPDATE cache SET value = x'00ff'`]);
    expect(await openCache().getOrCompute(entry('a'), async () => 'new')).toBe('new');
    expect(warnings).toHaveLength(1);
  });

  test('keeps no failure: the next one computes again', async () => {
    const cache = openCache();
    await expect(cache.getOrCompute(entry('a'), never)).rejects.toThrow('computed although');
    expect(await cache.getOrCompute(entry('a'), async () => 1)).toBe(1);
    await cache.stored();
  });

  test('writes nothing when it is read', async () => {
    await put(openCache(), 'a', 1);
    const batches: (readonly Statement[])[] = [];
    const watched = new Proxy(db, {
      get: (target, name) =>
        name === 'batch'
          ? (statements: readonly Statement[]) => {
              batches.push(statements);
              return target.batch(statements);
            }
          : Reflect.get(target, name).bind?.(target),
    });
    const cache = openCache({ db: watched });
    await cache.getOrCompute(entry('a'), never);
    await cache.getOrCompute(entry('a'), never);
    await cache.close();
    expect(batches).toEqual([]);
  });

  test('holds no more in memory than it may, and what was used last', async () => {
    const cache = openCache({ maxMemoryBytes: 2_500, db: failing('query') });
    const ask = (key: string) => cache.getOrCompute(entry(key), async () => key.repeat(1_000));
    for (const key of ['a', 'b', 'a', 'c', 'a']) await ask(key);
    expect(cache.counts().rights).toMatchObject({ memoryHits: 2, misses: 3 });
    await ask('b');
    expect(cache.counts().rights.misses).toBe(4);
    await cache.stored();
  });

  test('stores nothing once it is closed, and still answers', async () => {
    const cache = openCache();
    await cache.close();
    expect(await cache.getOrCompute(entry('a'), async () => 1)).toBe(1);
    await cache.stored();
    expect(await storedKeys()).toEqual([]);
  });

  test('has one schema for each version of a data set', async () => {
    const cache = openCache();
    const schema = { name: 'trips', columns: [{ name: 'km', type: 'real', description: null } as const] };
    const ask = (version: number) => cachedTableSchema(cache, { datasetId: 'd', version, ownerId: null }, compute);
    let computed = 0;
    const compute = async () => {
      computed++;
      return schema;
    };
    expect([await ask(1), await ask(1), await ask(2)]).toEqual([schema, schema, schema]);
    expect(computed).toBe(2);
    await cache.stored();
    expect(await storedKeys()).toEqual(['table_schema:1:d:1', 'table_schema:1:d:2']);
  });
});
