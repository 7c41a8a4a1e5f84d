import type { Database } from '../db/database.ts';
import type { Codec } from './codec.ts';
import { Memory } from './memory.ts';
import { evictSurplus, type NewEntry, selectEntry, upsertEntry } from './queries.ts';

/** What is cached: a small closed set, since it labels the counters. */
const CACHE_NAMES = ['rights', 'query_vector', 'table_schema'] as const;
export type CacheName = (typeof CACHE_NAMES)[number];

export interface CacheEntry<T> {
  readonly name: CacheName;
  /**
   * Tells the value from all others of its name, and changes when the value would: nothing is ever invalidated. Holds no
   * content; what could be guessed is hashed with a key.
   */
  readonly key: string;
  /** Whose it is: it is deleted with the user. Null: nobody's. */
  readonly userId: string | null;
  readonly ttlMs: number;
  readonly codec: Codec<T>;
}

/** Since the process began. Every request is a hit or a miss. */
export interface CacheCounts {
  /** Found in the memory of this process. */
  memoryHits: number;
  /** Found in the database. */
  databaseHits: number;
  misses: number;
  /** Misses that were computed; the others waited for one of these, or theirs failed. */
  computed: number;
  /** Entries that this process removed because there was no room. */
  evicted: number;
  /** Reads and stores that failed, which nobody but the log is told of. */
  failures: number;
}

export interface CacheOptions {
  readonly db: Database;
  readonly log: { warn(fields: Record<string, unknown>, message: string): void };
  /** Most entries in the database. Default 100,000. */
  readonly maxEntries?: number;
  /** Most bytes of keys and values in the database. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Most bytes in the memory of this process. Default 8 MiB. */
  readonly maxMemoryBytes?: number;
}

const MIB = 1_048_576;
/** A value above this is not kept: it would push out too many others. */
const MAX_VALUE_BYTES = MIB;
const STORES_PER_BATCH = 100;
/** While the database takes no writes, what comes after these is not stored. */
const MAX_WAITING_STORES = 1_000;

/**
 * Values that are costly to compute, kept in the table `cache` for all processes and in memory for this one. A cache that
 * fails is a miss and a line in the log, never an error for whoever asks.
 */
export class Cache {
  readonly #db: Database;
  readonly #log: CacheOptions['log'];
  readonly #limits: { entries: number; bytes: number };
  readonly #memory: Memory;
  readonly #flights = new Map<string, Promise<unknown>>();
  readonly #counts = new Map(CACHE_NAMES.map((name) => [name, newCounts()]));
  #waiting: NewEntry[] = [];
  #storing: Promise<void> | null = null;
  #isClosed = false;

  constructor(options: CacheOptions) {
    this.#db = options.db;
    this.#log = options.log;
    this.#limits = { entries: options.maxEntries ?? 100_000, bytes: options.maxBytes ?? 64 * MIB };
    this.#memory = new Memory(options.maxMemoryBytes ?? 8 * MIB);
  }

  /**
   * The value of the entry; computed at most once at a time in this process, and stored without anybody waiting for it. Throws
   * only what `compute` throws, and that is not kept. Many may get the same value: it must not be changed.
   */
  async getOrCompute<T>(entry: CacheEntry<T>, compute: () => Promise<T>): Promise<T> {
    const key = `${entry.name}:${entry.key}`;
    const remembered = this.#memory.get(key);
    if (remembered !== undefined) {
      this.#countsOf(entry).memoryHits++;
      return remembered.value as T;
    }
    const flight = this.#flights.get(key);
    if (flight !== undefined) {
      this.#countsOf(entry).misses++;
      return flight as Promise<T>;
    }
    const mine = this.#readOrCompute(key, entry, compute).finally(() => this.#flights.delete(key));
    this.#flights.set(key, mine);
    return mine;
  }

  /** By name, as they are now. */
  counts(): Record<CacheName, Readonly<CacheCounts>> {
    return Object.fromEntries([...this.#counts].map(([name, counts]) => [name, { ...counts }])) as Record<
      CacheName,
      CacheCounts
    >;
  }

  /** Waits until everything computed so far is stored, or could not be. */
  async stored(): Promise<void> {
    await this.#storing;
  }

  /** Stores nothing any more, and waits for what is being stored. The database stays open. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#storing;
  }

  async #readOrCompute<T>(key: string, entry: CacheEntry<T>, compute: () => Promise<T>): Promise<T> {
    const found = await this.#read(key, entry);
    if (found !== null) {
      this.#countsOf(entry).databaseHits++;
      this.#memory.set(key, found.value, found);
      return found.value;
    }
    this.#countsOf(entry).misses++;
    const value = await compute();
    this.#countsOf(entry).computed++;
    this.#keep(key, entry, value);
    return value;
  }

  async #read<T>(key: string, entry: CacheEntry<T>): Promise<{ value: T; bytes: number; leftMs: number } | null> {
    try {
      const row = await selectEntry(this.#db, key);
      if (row === null) return null;
      return { value: entry.codec.decode(row.value), bytes: row.value.length, leftMs: row.leftMs };
    } catch (error) {
      this.#fail(entry.name, error, 'an entry of the cache could not be read');
      return null;
    }
  }

  #keep<T>(key: string, entry: CacheEntry<T>, value: T): void {
    const bytes = entry.codec.encode(value);
    if (bytes.length > MAX_VALUE_BYTES) return;
    this.#memory.set(key, value, { bytes: bytes.length, leftMs: entry.ttlMs });
    if (this.#isClosed || this.#waiting.length >= MAX_WAITING_STORES) return;
    this.#waiting.push({ key, value: bytes, ttlMs: entry.ttlMs, userId: entry.userId });
    this.#storing ??= this.#storeWaiting();
  }

  /** What comes in while a batch is on its way goes with the next one. */
  async #storeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const entries = this.#waiting.splice(0, STORES_PER_BATCH);
      try {
        const results = await this.#db.batch([...entries.map(upsertEntry), evictSurplus(this.#limits)]);
        for (const row of results.at(-1)!) this.#counts.get(nameIn(row.cache_key as string))!.evicted++;
      } catch (error) {
        for (const name of new Set(entries.map(({ key }) => nameIn(key)))) {
          this.#fail(name, error, 'entries of the cache could not be stored');
        }
      }
    }
    this.#storing = null;
  }

  #fail(name: CacheName, error: unknown, message: string): void {
    this.#counts.get(name)!.failures++;
    this.#log.warn({ event: 'cache.failed', cache: name, err: error }, message);
  }

  #countsOf({ name }: { name: CacheName }): CacheCounts {
    return this.#counts.get(name)!;
  }
}

function nameIn(key: string): CacheName {
  return key.slice(0, key.indexOf(':')) as CacheName;
}

function newCounts(): CacheCounts {
  return { memoryHits: 0, databaseHits: 0, misses: 0, computed: 0, evicted: 0, failures: 0 };
}
