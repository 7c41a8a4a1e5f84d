import { beforeEach, describe, expect, test } from 'vitest';
import { addMember, createDocument, createGroup, shareDocument } from '../../test/factories.ts';
import { accountDependencies, registerUser } from '../../test/harness/accounts.ts';
import { createServedDatabase, createTestDatabase } from '../../test/harness/database.ts';
import { createApiKey, type SignedIn } from '../accounts/index.ts';
import { Cache } from '../cache/index.ts';
import type { Database, Statement } from '../db/database.ts';
import { now, sql } from '../db/sql.ts';
import { selectDocument, selectDocuments } from '../documents/index.ts';
import { authenticate } from './authenticate.ts';
import { credentialStands } from './credential-stands.ts';
import type { Subject } from './subject.ts';

const ALL = { groupId: null, ownerId: null, tag: null, sourceType: null, titlePart: null, beforeId: null, limit: 100 };

describe.each([
  ['a file', createTestDatabase],
  ['a server', createServedDatabase],
])('rights from the cache on %s', (_, createDatabase) => {
  let db: Database;
  let dependencies: Awaited<ReturnType<typeof accountDependencies>>;
  let ada: SignedIn;
  let groupId: string;
  let documentId: string;
  /** Texts of the statements that went to the database. */
  let statements: string[];

  beforeEach(async () => {
    const created = await createDatabase();
    db = created.db;
    statements = [];
    dependencies = await accountDependencies(watched(db));
    ada = await registerUser(dependencies);
    groupId = await createGroup(db);
    ({ documentId } = await createDocument(db, { ownerId: null }));
    const bob = await registerUser(dependencies, 'bob@example.com');
    await db.batch([sql`UPDATE documents SET owner_id = ${bob.user.userId}`]);
    await addMember(db, groupId, bob.user.userId, { role: 'admin' });
    await shareDocument(db, documentId, { groupId }, { level: 3 });
    return async () => {
      await dependencies.cache.close();
      await created.close();
    };
  });

  function watched(database: Database): Database {
    const note = (...asked: readonly Statement[]) => statements.push(...asked.map(({ text }) => text));
    return new Proxy(database, {
      get(target, name) {
        if (name === 'query') {
          return (statement: Statement, options?: { offThread?: boolean }) => {
            note(statement);
            return target.query(statement, options);
          };
        }
        if (name === 'batch') {
          return (batch: readonly Statement[]) => {
            note(...batch);
            return target.batch(batch);
          };
        }
        return Reflect.get(target, name).bind?.(target);
      },
    });
  }

  const signIn = (token = ada.tokens.accessToken) => authenticate(dependencies, `Bearer ${token}`);
  const levelOf = async (subject: Subject) =>
    (await selectDocument(db, subject, documentId))?.permissions.at(-1) ?? null;
  const leave = () => db.batch([sql`DELETE FROM group_memberships WHERE user_id = ${ada.user.userId}`]);
  const count = async (work: () => Promise<unknown>) => {
    statements = [];
    await work();
    return statements.length;
  };

  test('take one statement in a warm process, which reads no role and no membership', async () => {
    await addMember(db, groupId, ada.user.userId);
    const { secret } = await createApiKey(dependencies, await signIn(), { name: 'key', expiresAt: null });
    await db.batch([sql`UPDATE api_keys SET last_used_at = ${now}`]);
    await signIn();
    await dependencies.cache.stored();
    for (const credential of [ada.tokens.accessToken, secret]) {
      expect(await count(() => signIn(credential))).toBe(1);
      expect(statements[0]).not.toMatch(/user_roles|group_memberships/);
    }
  });

  test('cost a new process one more statement, and are computed once for all', async () => {
    await signIn();
    await dependencies.cache.stored();
    dependencies = { ...dependencies, cache: new Cache({ db: dependencies.db, log: { warn() {} } }) };
    expect(await count(() => signIn())).toBe(2);
    expect(statements.join()).not.toMatch(/user_roles|group_memberships/);
    expect(dependencies.cache.counts().rights).toMatchObject({ databaseHits: 1, computed: 0 });
  });

  test('stand for the memberships in the statements that follow, which do not read them', async () => {
    await addMember(db, groupId, ada.user.userId, { role: 'editor' });
    const subject = await signIn();
    // Behind the back of the epoch, which no statement of the product can do.
    await db.batch([
      sql`DROP TRIGGER group_memberships_changed`,
      sql`UPDATE group_memberships SET role = 'viewer' WHERE user_id = ${ada.user.userId}`,
    ]);
    expect(await levelOf(subject)).toBe('write');
    const watchedDb = dependencies.db;
    expect(await count(() => selectDocuments(watchedDb, subject, ALL))).toBe(1);
  });

  test('are gone with the next statement, for a request that is on its way as well', async () => {
    await addMember(db, groupId, ada.user.userId, { role: 'admin' });
    const subject = await signIn();
    expect(await levelOf(subject)).toBe('manage');
    await db.batch([sql`UPDATE group_memberships SET role = 'viewer' WHERE user_id = ${ada.user.userId}`]);
    expect(await levelOf(subject)).toBe('read');
    await leave();
    expect(await levelOf(subject)).toBeNull();
    expect(await selectDocuments(db, subject, ALL)).toEqual([]);
    expect(await levelOf(await signIn())).toBeNull();
  });

  test('that are granted count for a request that is on its way: a moved epoch is read, not refused', async () => {
    const subject = await signIn();
    expect(await levelOf(subject)).toBeNull();
    await addMember(db, groupId, ada.user.userId, { role: 'editor' });
    expect(await levelOf(subject)).toBe('write');
    expect(await levelOf(await signIn())).toBe('write');
  });

  test('end at the instant of the membership, by the clock of the database', async () => {
    await addMember(db, groupId, ada.user.userId, { expiresAt: Date.now() + 3_600_000 });
    const subject = await signIn();
    expect(await levelOf(subject)).toBe('read');
    const list = JSON.stringify([[groupId, 'viewer', Date.now() - 1]]);
    const later = { ...subject, memberships: { ...subject.memberships, list } };
    expect(await levelOf(later)).toBeNull();
  });

  test('are nothing from the moment the user is disabled', async () => {
    await addMember(db, groupId, ada.user.userId);
    const subject = await signIn();
    await db.batch([sql`UPDATE users SET status = 'disabled' WHERE user_id = ${ada.user.userId}`]);
    expect(await levelOf(subject)).toBeNull();
    await expect(signIn()).rejects.toMatchObject({ code: 'invalid_credentials' });
  });

  test('of a person who was erased are not those of whoever registers with the same address', async () => {
    await addMember(db, groupId, ada.user.userId, { role: 'admin' });
    await signIn();
    await dependencies.cache.stored();
    await db.batch([sql`DELETE FROM users WHERE user_id = ${ada.user.userId}`]);
    const [left] = await db.query<{ n: number }>(sql`SELECT count(*) AS n FROM cache
      WHERE instr(cache_key, ${ada.user.userId}) > 0`);
    expect(left!.n).toBe(0);
    const again = await registerUser(dependencies);
    expect(again.user.userId).toBe(ada.user.userId);
    // As many changes as the first life had.
    await addMember(db, await createGroup(db), ada.user.userId);
    expect(await levelOf(await signIn(again.tokens.accessToken))).toBeNull();
  });

  test('are read from the tables while the cache is out of order', async () => {
    await addMember(db, groupId, ada.user.userId, { role: 'editor' });
    await db.batch([sql`DROP TABLE cache`]);
    expect(await levelOf(await signIn())).toBe('write');
  });

  test('let a caller who watches go on while they are the same, and as long as the roles are there', async () => {
    const grant = sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${ada.user.userId}, 'operator', 0)`;
    await db.batch([grant]);
    const subject = await signIn();
    expect(await credentialStands({ db }, subject)).toBe(true);
    await addMember(db, groupId, ada.user.userId);
    expect(await credentialStands({ db }, subject)).toBe(true);
    await db.batch([sql`DELETE FROM user_roles WHERE user_id = ${ada.user.userId}`]);
    expect(await credentialStands({ db }, subject)).toBe(false);
  });
});
