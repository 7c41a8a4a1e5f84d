import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConstraintError, type Database, requireThat } from '../src/db/database.ts';
import { now, type Sql, type SqlInput, sql } from '../src/db/sql.ts';
import { AppError } from '../src/errors/app-error.ts';

/** An empty database, and the way to open it a second time. */
export interface DatabaseFixture {
  readonly database: Database;
  openAnother(): Promise<Database>;
  /** Closes what was opened and removes what was made. */
  dispose(): Promise<void>;
}

/** What every implementation of `Database` promises. */
export function describeDatabase(name: string, setUp: () => Promise<DatabaseFixture>): void {
  describe(name, () => {
    let fixture: DatabaseFixture;
    let db: Database;

    beforeEach(async () => {
      fixture = await setUp();
      db = fixture.database;
    });
    afterEach(() => fixture.dispose());

    async function one(expression: Sql): Promise<unknown> {
      const [row] = await db.query(sql`SELECT ${expression} AS value`);
      return row?.value;
    }

    async function createPeople(): Promise<void> {
      await db.batch([
        sql`CREATE TABLE teams (team_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT`,
        sql`CREATE TABLE people (
          person_id INTEGER PRIMARY KEY,
          team_id INTEGER REFERENCES teams (team_id),
          email TEXT NOT NULL UNIQUE,
          age INTEGER NOT NULL CHECK (age < 150)
        ) STRICT`,
        sql`CREATE TRIGGER people_grow_older BEFORE UPDATE OF age ON people WHEN new.age < old.age
          BEGIN SELECT RAISE(ABORT, 'people do not grow younger'); END`,
        sql`INSERT INTO teams VALUES (1, 'red')`,
        sql`INSERT INTO people VALUES (1, 1, 'a@example.org', 30)`,
      ]);
    }

    async function emails(database = db): Promise<unknown[]> {
      const rows = await database.query(sql`SELECT email FROM people ORDER BY person_id`);
      return rows.map((row) => row.email);
    }

    describe('values', () => {
      const values: [string, SqlInput, unknown][] = [
        ['null', null, null],
        ['a small integer', 5, 5],
        ['a negative integer', -7, -7],
        ['the largest exact integer', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
        ['a bigint', 12n, 12],
        ['a fraction', 0.1, 0.1],
        ['a huge number', 1e300, 1e300],
        ['true', true, 1],
        ['false', false, 0],
        ['an empty text', '', ''],
        ['a text of many scripts', 'Grüße ภาษาไทย 中文 👩‍🚀', 'Grüße ภาษาไทย 中文 👩‍🚀'],
        ['a text with quotes and line ends', `'"\n\r\t\\`, `'"\n\r\t\\`],
        ['bytes', new Uint8Array([0, 1, 255]), new Uint8Array([0, 1, 255])],
        ['no bytes', new Uint8Array(), new Uint8Array()],
      ];
      test.each(values)('%s comes back as it was bound', async (_name, value, expected) => {
        expect(await one(sql`${value}`)).toEqual(expected);
      });

      test('an integer is bound as INTEGER, so that it is written as one', async () => {
        expect(await one(sql`typeof(${5})`)).toBe('integer');
        expect(await one(sql`'k' || ${5}`)).toBe('k5');
        expect(await one(sql`json_array(${5}, ${true})`)).toBe('[5,1]');
      });

      test('a fraction is bound as REAL', async () => {
        expect(await one(sql`typeof(${0.5})`)).toBe('real');
      });

      test('a part of a larger buffer is bound alone', async () => {
        const part = Buffer.from('abcdef').subarray(2, 4);
        expect(await one(sql`hex(${part})`)).toBe('6364');
      });

      test.each([Number.NaN, Number.POSITIVE_INFINITY, 2n ** 63n])('%s is refused', async (value) => {
        await expect(db.query(sql`SELECT ${value}`)).rejects.toThrow(TypeError);
        await expect(db.batch([sql`SELECT ${value}`])).rejects.toThrow(TypeError);
      });

      test('undefined is refused', async () => {
        const values = [undefined as unknown as null];
        await expect(db.query({ text: 'SELECT ?', values })).rejects.toThrow(TypeError);
      });

      test('an integer that a number cannot hold throws instead of being rounded', async () => {
        await expect(db.query(sql`SELECT ${2n ** 53n + 1n} AS value`)).rejects.toThrow(RangeError);
      });

      test('rows are plain objects', async () => {
        const [[row] = []] = await db.batch([sql`SELECT 1 AS a, 'x' AS b`]);
        const read = await db.query(sql`SELECT 1 AS a, 'x' AS b`);
        const readOffThread = await db.query(sql`SELECT 1 AS a, 'x' AS b`, { offThread: true });
        for (const candidate of [row, ...read, ...readOffThread]) {
          expect(Object.getPrototypeOf(candidate)).toBe(Object.prototype);
          expect(Object.entries(candidate ?? {})).toEqual([
            ['a', 1],
            ['b', 'x'],
          ]);
        }
      });

      test('bytes read off the thread are the same', async () => {
        const rows = await db.query(sql`SELECT ${new Uint8Array([1, 2, 3])} AS value`, { offThread: true });
        expect(rows).toEqual([{ value: new Uint8Array([1, 2, 3]) }]);
      });

      test('the clock of the database is in whole milliseconds', async () => {
        expect(await one(sql`typeof(${now})`)).toBe('integer');
        expect(Math.abs(Number(await one(now)) - Date.now())).toBeLessThan(60_000);
      });
    });

    describe('a batch', () => {
      beforeEach(createPeople);

      test('answers the rows of each statement in order', async () => {
        const results = await db.batch([
          sql`INSERT INTO people VALUES (2, 1, 'b@example.org', 20) RETURNING person_id, email`,
          sql`UPDATE people SET age = age + 1`,
          sql`SELECT age FROM people ORDER BY person_id`,
        ]);
        expect(results).toEqual([[{ person_id: 2, email: 'b@example.org' }], [], [{ age: 31 }, { age: 21 }]]);
      });

      test('returns every row of a RETURNING', async () => {
        const [rows = []] = await db.batch([
          sql`INSERT INTO teams SELECT value, 'team ' || value FROM json_each('[2,3,4]') RETURNING team_id`,
        ]);
        expect(rows.map((row) => row.team_id).sort()).toEqual([2, 3, 4]);
        expect(await one(sql`(SELECT count(*) FROM teams)`)).toBe(4);
      });

      test('without statements does nothing', async () => {
        expect(await db.batch([])).toEqual([]);
      });

      test('leaves nothing behind when its last statement fails', async () => {
        const batch = db.batch([
          sql`INSERT INTO people VALUES (2, 1, 'b@example.org', 20)`,
          sql`CREATE TABLE more (id INTEGER)`,
          sql`INSERT INTO people VALUES (3, 1, 'a@example.org', 20)`,
        ]);
        await expect(batch).rejects.toThrow(ConstraintError);
        expect(await emails()).toEqual(['a@example.org']);
        await expect(db.query(sql`SELECT * FROM more`)).rejects.toThrow(/no such table/);
      });

      test('leaves nothing behind when a statement is not SQL', async () => {
        const batch = db.batch([sql`INSERT INTO people VALUES (2, 1, 'b@example.org', 20)`, sql`SELECT FROM WHERE`]);
        await expect(batch).rejects.toThrow(/syntax error/);
        expect(await emails()).toEqual(['a@example.org']);
      });

      test('works after one that failed', async () => {
        await expect(db.batch([sql`INSERT INTO nowhere VALUES (1)`])).rejects.toThrow();
        await db.batch([sql`INSERT INTO people VALUES (2, 1, 'b@example.org', 20)`]);
        expect(await emails()).toEqual(['a@example.org', 'b@example.org']);
      });

      test.each(['BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'VACUUM'])('refuses %s', async (text) => {
        const batch = db.batch([sql`INSERT INTO people VALUES (2, 1, 'b@example.org', 20)`, { text, values: [] }]);
        await expect(batch).rejects.toThrow(TypeError);
        expect(await emails()).toEqual(['a@example.org']);
      });

      test('refuses two statements in one text, of which only the first would run', async () => {
        await expect(db.batch([sql`DELETE FROM people; DELETE FROM teams`])).rejects.toThrow();
        expect(await emails()).toEqual(['a@example.org']);
      });

      test('can change the schema and use it at once', async () => {
        await db.batch([sql`ALTER TABLE people ADD COLUMN note TEXT`, sql`UPDATE people SET note = 'x'`]);
        expect(await db.query(sql`SELECT note FROM people`)).toEqual([{ note: 'x' }]);
      });

      test('sees a schema changed since the same statement ran', async () => {
        expect(await db.query(sql`SELECT * FROM teams`)).toEqual([{ team_id: 1, name: 'red' }]);
        await db.batch([sql`ALTER TABLE teams ADD COLUMN colour TEXT`]);
        expect(await db.query(sql`SELECT * FROM teams`)).toEqual([{ team_id: 1, name: 'red', colour: null }]);
      });

      test('is seen by every query after it', async () => {
        for (let id = 2; id < 20; id += 1) {
          await db.batch([sql`INSERT INTO people VALUES (${id}, 1, ${`${id}@example.org`}, 20)`]);
          const counted = sql<{ n: number }>`SELECT count(*) AS n FROM people`;
          expect(await db.query(counted)).toEqual([{ n: id }]);
          expect(await db.query(counted, { offThread: true })).toEqual([{ n: id }]);
        }
      });

      test('loses no update among many at once', async () => {
        const batches = Array.from({ length: 60 }, () => db.batch([sql`UPDATE people SET age = age + 1`]));
        await Promise.all(batches);
        expect(await db.query(sql`SELECT age FROM people`)).toEqual([{ age: 90 }]);
      });

      test('keeps failing ones among many apart from the others', async () => {
        const batches = Array.from({ length: 30 }, (_, index) =>
          db.batch([sql`UPDATE people SET age = age + 1`, requireThat(sql`${index % 3} <> 0`, 'conflict')]),
        );
        const outcomes = await Promise.allSettled(batches);
        expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(10);
        expect(await db.query(sql`SELECT age FROM people`)).toEqual([{ age: 50 }]);
      });
    });

    describe('requireThat', () => {
      beforeEach(createPeople);

      test('lets the batch pass when the condition is true', async () => {
        await db.batch([
          requireThat(sql`EXISTS (SELECT 1 FROM people WHERE email = ${'a@example.org'})`, 'not_found'),
          sql`DELETE FROM people`,
        ]);
        expect(await emails()).toEqual([]);
      });

      test.each([sql`0`, sql`NULL`, sql`EXISTS (SELECT 1 FROM people WHERE age = ${99})`])(
        'aborts the batch with its code when the condition is not true (%#)',
        async (condition) => {
          const batch = db.batch([sql`DELETE FROM people`, requireThat(condition, 'job_state_conflict')]);
          const error = await batch.catch((thrown: unknown) => thrown);
          expect(error).toBeInstanceOf(AppError);
          expect(error).toMatchObject({ code: 'job_state_conflict', status: 409 });
          expect(await emails()).toEqual(['a@example.org']);
        },
      );

      test('judges the state that the batch itself has made', async () => {
        await db.batch([sql`DELETE FROM people`, requireThat(sql`NOT EXISTS (SELECT 1 FROM people)`, 'conflict')]);
        expect(await emails()).toEqual([]);
      });

      test('is not raised by a text of the caller', async () => {
        const path = 'require:forbidden';
        const error = await db
          .batch([sql`INSERT INTO teams VALUES (9, ${path}), (10, ${path})`])
          .catch((e: unknown) => e);
        expect(error).toBeInstanceOf(ConstraintError);
      });
    });

    describe('a violated constraint', () => {
      beforeEach(createPeople);

      test.each([
        ['unique', sql`INSERT INTO people VALUES (2, 1, 'a@example.org', 20)`],
        ['unique', sql`INSERT INTO people VALUES (1, 1, 'b@example.org', 20)`],
        ['foreign_key', sql`INSERT INTO people VALUES (2, 77, 'b@example.org', 20)`],
        ['foreign_key', sql`DELETE FROM teams`],
        ['check', sql`INSERT INTO people VALUES (2, 1, 'b@example.org', 200)`],
        ['not_null', sql`INSERT INTO people VALUES (2, 1, NULL, 20)`],
        ['trigger', sql`UPDATE people SET age = 10`],
        ['other', sql`INSERT INTO people VALUES (2, 1, 'b@example.org', 'old')`],
      ] as const)('of kind %s is told (%#)', async (kind, statement) => {
        const error = await db.batch([statement]).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(ConstraintError);
        expect(error).toMatchObject({ kind });
        expect(await emails()).toEqual(['a@example.org']);
      });

      test('of a trigger carries the text of the trigger alone', async () => {
        await expect(db.batch([sql`UPDATE people SET age = 10`])).rejects.toThrow(/^people do not grow younger$/);
      });

      test('that is deferred to the commit undoes the batch', async () => {
        const batch = db.batch([
          sql`PRAGMA defer_foreign_keys = ON`,
          sql`INSERT INTO people VALUES (2, 77, 'b@example.org', 20)`,
        ]);
        await expect(batch).rejects.toMatchObject({ kind: 'foreign_key' });
        expect(await emails()).toEqual(['a@example.org']);
        await db.batch([sql`UPDATE people SET age = 31`]);
      });
    });

    describe('SQL that the product relies on', () => {
      test('STRICT and WITHOUT ROWID tables', async () => {
        await db.batch([sql`CREATE TABLE t (k TEXT PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID`]);
        await db.batch([sql`INSERT INTO t VALUES ('a', ${1}), ('b', ${'1'}), ('c', ${1.5})`]);
        const rows = await db.query(sql`SELECT typeof(v) AS type FROM t ORDER BY k`);
        expect(rows.map((row) => row.type)).toEqual(['integer', 'text', 'real']);
      });

      test('upserts that say whether they inserted', async () => {
        await db.batch([sql`CREATE TABLE counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT`]);
        const raise = sql`INSERT INTO counters VALUES ('x', 1) ON CONFLICT (name) DO UPDATE SET n = n + 1 RETURNING n`;
        expect(await db.batch([raise, raise])).toEqual([[{ n: 1 }], [{ n: 2 }]]);
      });

      test('an upsert on a partial unique index', async () => {
        await db.batch([
          sql`CREATE TABLE jobs (id INTEGER PRIMARY KEY, key TEXT, status TEXT NOT NULL) STRICT`,
          sql`CREATE UNIQUE INDEX jobs_open ON jobs (key) WHERE status = 'pending'`,
          sql`INSERT INTO jobs (key, status) VALUES ('k', 'done'), ('k', 'pending')`,
        ]);
        const [rows] = await db.batch([
          sql`INSERT INTO jobs (key, status) VALUES (${'k'}, 'pending')
            ON CONFLICT (key) WHERE status = 'pending' DO UPDATE SET key = excluded.key RETURNING id`,
        ]);
        expect(rows).toEqual([{ id: 2 }]);
      });

      test('a list as one parameter, through json_each', async () => {
        const ids = JSON.stringify(['a', 'c']);
        const rows = await db.query(sql`
          WITH known (id) AS (VALUES ('a'), ('b'), ('c'))
          SELECT id FROM known WHERE id IN (SELECT value FROM json_each(${ids})) ORDER BY id`);
        expect(rows).toEqual([{ id: 'a' }, { id: 'c' }]);
      });

      test('UPDATE … FROM a list', async () => {
        await createPeople();
        const changes = JSON.stringify([[1, 40]]);
        const [rows] = await db.batch([
          sql`UPDATE people SET age = change.age FROM (
              SELECT value ->> 0 AS id, value ->> 1 AS age FROM json_each(${changes})
            ) change WHERE person_id = change.id RETURNING person_id, people.age`,
        ]);
        expect(rows).toEqual([{ person_id: 1, age: 40 }]);
      });

      test('full-text search that forgets what is deleted', async () => {
        await db.batch([
          sql`CREATE VIRTUAL TABLE words USING fts5(
            txt, acl, content = '', contentless_delete = 1,
            tokenize = "porter unicode61 categories 'L* N* Co Mn Mc'"
          )`,
          sql`INSERT INTO words (words, rank) VALUES ('secure-delete', 1)`,
          sql`INSERT INTO words (rowid, txt, acl) VALUES (1, 'running foxes', 'o1'), (2, 'สวัสดี ครับ', 'o2')`,
        ]);
        const found = async (query: string) =>
          (await db.query(sql`SELECT rowid AS id FROM words WHERE words MATCH ${query} ORDER BY bm25(words)`)).map(
            (row) => row.id,
          );
        expect(await found('txt:("run" OR "dog")')).toEqual([1]);
        expect(await found('txt:("สวัสดี") AND acl:("o2")')).toEqual([2]);
        await db.batch([sql`DELETE FROM words WHERE rowid = 1`, sql`INSERT INTO words (words) VALUES ('optimize')`]);
        expect(await found('txt:("run")')).toEqual([]);
      });

      test('triggers that follow foreign keys with ON DELETE', async () => {
        await db.batch([
          sql`CREATE TABLE parents (id INTEGER PRIMARY KEY) STRICT`,
          sql`CREATE TABLE children (
            id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parents (id) ON DELETE CASCADE
          ) STRICT`,
          sql`CREATE TABLE removed (id INTEGER PRIMARY KEY) STRICT`,
          sql`CREATE TRIGGER children_removed AFTER DELETE ON children
            BEGIN INSERT INTO removed VALUES (old.id); END`,
          sql`INSERT INTO parents VALUES (1)`,
          sql`INSERT INTO children VALUES (10, 1), (11, 1)`,
        ]);
        await db.batch([sql`DELETE FROM parents`]);
        expect(await db.query(sql`SELECT id FROM removed ORDER BY id`)).toEqual([{ id: 10 }, { id: 11 }]);
      });
    });

    describe('a query', () => {
      beforeEach(createPeople);

      test.each([
        sql`DELETE FROM people`,
        sql`INSERT INTO teams VALUES (2, 'blue') RETURNING team_id`,
        sql`WITH doomed AS (SELECT person_id FROM people) DELETE FROM people WHERE person_id IN doomed`,
        sql`CREATE TABLE more (id INTEGER)`,
        sql`BEGIN`,
        sql`SELECT 1; DELETE FROM people`,
      ])('that writes is refused (%#)', async (statement) => {
        await expect(db.query(statement)).rejects.toThrow(TypeError);
        await expect(db.query(statement, { offThread: true })).rejects.toThrow(TypeError);
        expect(await emails()).toEqual(['a@example.org']);
        expect(await one(sql`(SELECT count(*) FROM teams)`)).toBe(1);
      });

      test('with a mistake says what is wrong, on the thread and off it', async () => {
        await expect(db.query(sql`SELECT * FROM nowhere`)).rejects.toThrow(/no such table: nowhere/);
        await expect(db.query(sql`SELECT * FROM nowhere`, { offThread: true })).rejects.toThrow(/no such table/);
      });
    });

    describe('two clients', () => {
      test("see each other's commits", async () => {
        await createPeople();
        const other = await fixture.openAnother();
        expect(await emails(other)).toEqual(['a@example.org']);
        await other.batch([sql`INSERT INTO people VALUES (2, 1, 'b@example.org', 20)`]);
        expect(await emails()).toEqual(['a@example.org', 'b@example.org']);
        await db.batch([sql`DELETE FROM people WHERE person_id = 1`]);
        expect(await emails(other)).toEqual(['b@example.org']);
        expect(await other.query(sql`SELECT count(*) AS n FROM people`, { offThread: true })).toEqual([{ n: 1 }]);
      });

      test('lose no update to each other', async () => {
        await createPeople();
        const other = await fixture.openAnother();
        const batches = Array.from({ length: 60 }, (_, index) =>
          (index % 2 === 0 ? db : other).batch([sql`UPDATE people SET age = age + 1`]),
        );
        await Promise.all(batches);
        expect(await db.query(sql`SELECT age FROM people`)).toEqual([{ age: 90 }]);
      });

      test('cannot both pass the same condition', async () => {
        await createPeople();
        const other = await fixture.openAnother();
        const claim = (database: Database, age: number) =>
          database.batch([
            requireThat(sql`(SELECT age FROM people) = 30`, 'conflict'),
            sql`UPDATE people SET age = ${age}`,
          ]);
        const outcomes = await Promise.allSettled([claim(db, 31), claim(other, 32), claim(db, 33), claim(other, 34)]);
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      });
    });

    describe('close', () => {
      test('may be called twice, and nothing works afterwards', async () => {
        await db.close();
        await db.close();
        await expect(db.query(sql`SELECT 1`)).rejects.toMatchObject({ code: 'database_unavailable' });
        await expect(db.batch([sql`SELECT 1`])).rejects.toMatchObject({ code: 'database_unavailable' });
      });

      test('lets what was asked before end', async () => {
        await db.batch([sql`CREATE TABLE t (id INTEGER)`]);
        const batches = Array.from({ length: 20 }, (_, id) => db.batch([sql`INSERT INTO t VALUES (${id})`]));
        const read = db.query(sql`SELECT 1 AS one`, { offThread: true });
        await db.close();
        await Promise.all(batches);
        expect(await read).toEqual([{ one: 1 }]);
        const other = await fixture.openAnother();
        expect(await other.query(sql`SELECT count(*) AS n FROM t`)).toEqual([{ n: 20 }]);
      });
    });
  });
}
