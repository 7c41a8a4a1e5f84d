import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { Statement } from '../../src/db/database.ts';
import { now, sql } from '../../src/db/sql.ts';
import { startProcess } from '../database-processes/start.ts';
import { addMember, createDocument, createGroup, createUser, shareDocument } from '../factories.ts';
import { accountDependencies, registerUser } from '../harness/accounts.ts';
import { createTestDatabase } from '../harness/database.ts';

const ROUNDS = Number(process.env.ACCESS_ROUNDS ?? 100);
const READERS = ['one', 'two'];
const PATIENCE_MS = 60_000;

/** Script of this folder, as `startProcess` takes it. */
const READER = new URL('./watch-rights.ts', import.meta.url).href;

test(`no process finds a right after the statement that took it, in ${ROUNDS} rounds`, async () => {
  const { db, path, close } = await createTestDatabase();
  onTestFinished(close);
  const { user, tokens } = await registerUser(await accountDependencies(db));
  const [owner, groupId] = [await createUser(db), await createGroup(db)];
  await addMember(db, groupId, owner.userId, { role: 'admin' });
  await addMember(db, groupId, user.userId, { role: 'editor' });
  const { documentId } = await createDocument(db, { ownerId: owner.userId });
  await shareDocument(db, documentId, { groupId }, { level: 2 });
  const member = sql`group_id = ${groupId} AND user_id = ${user.userId}`;
  const mark = (round: number, allowed: number) => sql`UPDATE race SET round = ${round}, allowed = ${allowed}`;
  /** What is taken, and the level that is left. */
  const revocations: [Statement, number][] = [
    [sql`DELETE FROM group_memberships WHERE ${member}`, 0],
    [sql`UPDATE group_memberships SET role = 'viewer' WHERE ${member}`, 1],
    [sql`UPDATE group_memberships SET expires_at = ${now} WHERE ${member}`, 0],
    [sql`UPDATE resource_shares SET level = 1`, 1],
    [sql`DELETE FROM resource_shares`, 0],
    [sql`UPDATE users SET status = 'disabled' WHERE user_id = ${user.userId}`, 0],
  ];
  const giveBack = [
    sql`INSERT INTO group_memberships (group_id, user_id, role, created_at, updated_at)
      VALUES (${groupId}, ${user.userId}, 'editor', 0, 0)
      ON CONFLICT DO UPDATE SET role = 'editor', expires_at = NULL`,
    sql`DELETE FROM resource_shares`,
    sql`INSERT INTO resource_shares (share_id, resource_type, resource_id, grantee_group_id, level, created_at)
      VALUES ('share', 'document', ${documentId}, ${groupId}, 2, 0)`,
    sql`UPDATE users SET status = 'active'`,
  ];
  await db.batch([
    sql`CREATE TABLE race (round INTEGER NOT NULL, allowed INTEGER NOT NULL)`,
    sql`INSERT INTO race VALUES (0, 2)`,
    sql`CREATE TABLE race_seen (round INTEGER NOT NULL, allowed INTEGER NOT NULL, reader TEXT NOT NULL)`,
  ]);
  async function untilSeen(round: number, allowed: number): Promise<void> {
    const until = performance.now() + PATIENCE_MS;
    for (;;) {
      const seen = await db.query(sql`SELECT reader FROM race_seen WHERE round = ${round} AND allowed = ${allowed}`);
      if (seen.length === READERS.length) return;
      if (performance.now() > until) throw new Error(`round ${round} was not seen by all`);
      await sleep(1);
    }
  }

  const readers = READERS.map((name) => startProcess(READER, path, tokens.accessToken, documentId, name));
  onTestFinished(() => Promise.all(readers.map((reader) => reader.kill())).then(() => {}));
  await Promise.all(readers.map((reader) => reader.printed('ready')));
  for (let round = 1; round <= ROUNDS; round++) {
    await db.batch([...giveBack, mark(round, 2)]);
    await untilSeen(round, 2);
    const [revoke, left] = revocations[round % revocations.length]!;
    await db.batch([revoke, mark(round, left)]);
    await untilSeen(round, left);
  }
  await db.batch([mark(-1, 0)]);
  const outputs = await Promise.all(readers.map((reader) => reader.output()));

  for (const output of outputs) {
    const counts = JSON.parse(/counts=(.*)/.exec(output)![1]!);
    expect(counts).toMatchObject({ stale: 0, denied: 0 });
    // Otherwise nothing was shown about the cache.
    expect(counts.warm).toBeGreaterThan(ROUNDS);
  }
}, 600_000);
