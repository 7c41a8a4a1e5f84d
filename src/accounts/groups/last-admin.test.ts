import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addMember, createGroup, createUser, disableUser, HOUR_MS } from '../../../test/factories.ts';
import { createServedDatabase, createTestDatabase, type TestDatabase } from '../../../test/harness/database.ts';
import { now, type Statement, sql } from '../../db/sql.ts';

describe.each([
  ['in a file', createTestDatabase],
  ['behind a URL', createServedDatabase],
])('a database %s', (_where, create) => {
  let database: TestDatabase;
  let group: string;
  let ada: string;
  let grace: string;
  beforeEach(async () => {
    database = await create();
    group = await createGroup(database.db);
    ada = (await createUser(database.db)).userId;
    grace = (await createUser(database.db)).userId;
    await addMember(database.db, group, ada, { role: 'admin' });
  });
  afterEach(() => database.close());

  const run = (...statements: Statement[]) => database.db.batch(statements);
  const epochOf = async (userId: string) =>
    (await database.db.query<{ n: number }>(sql`SELECT authz_epoch AS n FROM users WHERE user_id = ${userId}`))[0]!.n;
  const grant = (userId: string, role = 'super_admin') =>
    sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${userId}, ${role}, ${now})`;
  const setRole = (userId: string, role: string) =>
    sql`UPDATE group_memberships SET role = ${role} WHERE group_id = ${group} AND user_id = ${userId}`;
  const replaceMember = (userId: string, role: string) =>
    sql`INSERT OR REPLACE INTO group_memberships (group_id, user_id, role, created_at, updated_at)
      VALUES (${group}, ${userId}, ${role}, ${now}, ${now})`;

  const WAYS: [string, () => Statement][] = [
    ['demoted', () => setRole(ada, 'viewer')],
    ['given an end', () => sql`UPDATE group_memberships SET expires_at = ${now} + 1 WHERE user_id = ${ada}`],
    ['removed', () => sql`DELETE FROM group_memberships WHERE user_id = ${ada}`],
    ['replaced', () => replaceMember(ada, 'editor')],
    [
      'overwritten by an upsert',
      () => sql`INSERT INTO group_memberships (group_id, user_id, role, created_at, updated_at)
        VALUES (${group}, ${ada}, 'viewer', 0, 0) ON CONFLICT DO UPDATE SET role = excluded.role`,
    ],
    ['disabled', () => disableUser(ada)],
    ['deleted', () => sql`DELETE FROM users WHERE user_id = ${ada}`],
  ];
  const MOVES: [string, () => Statement][] = [
    ['moved onto', () => sql`UPDATE OR REPLACE group_memberships SET user_id = ${ada} WHERE user_id = ${grace}`],
    ['moved away', () => sql`UPDATE group_memberships SET user_id = ${grace} WHERE user_id = ${ada}`],
    [
      'replaced as a user',
      () =>
        sql`INSERT OR REPLACE INTO users (user_id, email_sealed, created_at, updated_at) VALUES (${ada}, x'01', 0, 0)`,
    ],
    ['renumbered', () => sql`UPDATE users SET user_id = ${'0'.repeat(64)} WHERE user_id = ${ada}`],
  ];

  describe('the last admin of a group', () => {
    test.each(WAYS)('cannot be %s', async (_way, statement) => {
      await addMember(database.db, group, grace, { role: 'editor' });
      await expect(run(statement())).rejects.toMatchObject({ code: 'last_admin', status: 409 });
      await expect(run(setRole(grace, 'admin'), statement())).resolves.toBeDefined();
    });

    test.each(MOVES)('cannot be %s', async (_way, statement) => {
      await run(replaceMember(grace, 'viewer'));
      await expect(run(statement())).rejects.toMatchObject({ kind: 'trigger' });
    });

    test.each([
      [
        'an admin for a while',
        () => addMember(database.db, group, grace, { role: 'admin', expiresAt: Date.now() + HOUR_MS }),
      ],
      [
        'an admin whose account is disabled',
        async () => {
          await addMember(database.db, group, grace, { role: 'admin' });
          await run(disableUser(grace));
        },
      ],
      [
        'an admin of another group',
        async () => {
          const other = await createGroup(database.db);
          await addMember(database.db, other, grace, { role: 'admin' });
        },
      ],
    ])('is the last one beside %s', async (_who, add) => {
      await add();
      for (const [, statement] of WAYS) {
        await expect(run(statement())).rejects.toMatchObject({ code: 'last_admin' });
      }
    });

    test('goes with the group', async () => {
      const before = await epochOf(ada);
      await run(sql`DELETE FROM groups WHERE group_id = ${group}`);
      expect(await database.db.query(sql`SELECT 1 FROM group_memberships`)).toEqual([]);
      expect(await epochOf(ada)).toBe(before + 1);
    });

    test('may stay what it is, and others may do what they like', async () => {
      await addMember(database.db, group, grace, { role: 'editor' });
      await run(setRole(ada, 'admin'), replaceMember(ada, 'admin'));
      await run(setRole(grace, 'viewer'), disableUser(grace), sql`DELETE FROM users WHERE user_id = ${grace}`);
    });
  });

  describe('the last super_admin', () => {
    beforeEach(() => run(sql`DELETE FROM groups`, grant(ada)));
    const revoke = () => sql`DELETE FROM user_roles WHERE user_id = ${ada}`;

    test.each<[string, () => Statement]>([
      ['disabled', () => disableUser(ada)],
      ['deleted', () => sql`DELETE FROM users WHERE user_id = ${ada}`],
      ['stripped of the role', revoke],
    ])('cannot be %s', async (_way, statement) => {
      await run(grant(grace, 'operator'));
      await expect(run(statement())).rejects.toMatchObject({ code: 'last_super_admin', status: 409 });
      await run(grant(grace), disableUser(grace));
      await expect(run(statement())).rejects.toMatchObject({ code: 'last_super_admin' });
      await run(sql`UPDATE users SET status = 'active' WHERE user_id = ${grace}`, statement());
    });

    test('loses the role in no other way', async () => {
      await run(grant(grace, 'auditor'));
      const change = sql`UPDATE user_roles SET role = 'auditor' WHERE user_id = ${ada}`;
      await expect(run(change)).rejects.toMatchObject({ kind: 'trigger' });
    });

    test('may have other roles taken', async () => {
      await run(grant(ada, 'operator'), sql`DELETE FROM user_roles WHERE role = 'operator'`);
    });
  });

  describe('the epoch of a user', () => {
    test.each<[string, () => Statement]>([
      ['a role is granted', () => grant(ada)],
      ['a membership changes', () => replaceMember(ada, 'admin')],
      ['a membership gets an end', () => sql`UPDATE group_memberships SET expires_at = 1 WHERE user_id = ${grace}`],
      ['a membership is removed', () => sql`DELETE FROM group_memberships WHERE user_id = ${grace}`],
      ['a group is deleted', () => sql`DELETE FROM groups`],
      ['the account is disabled', () => disableUser(grace)],
    ])('rises when %s', async (_what, statement) => {
      await addMember(database.db, group, grace, { role: 'editor' });
      const before = [await epochOf(ada), await epochOf(grace)];
      await run(statement());
      const after = [await epochOf(ada), await epochOf(grace)];
      expect(after[0]! + after[1]!).toBeGreaterThan(before[0]! + before[1]!);
      expect(after.every((epoch, index) => epoch >= before[index]!)).toBe(true);
    });

    test('rises when a role is revoked', async () => {
      await run(grant(ada, 'auditor'));
      const before = await epochOf(ada);
      await run(sql`DELETE FROM user_roles WHERE user_id = ${ada}`);
      expect(await epochOf(ada)).toBe(before + 1);
    });
  });
});
