import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { now, type Sql, sql } from '../../src/db/sql.ts';
import { startProcess } from '../database-processes/start.ts';
import { addMember, createGroup, createUser } from '../factories.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** ACCESS_ROUNDS for long runs. */
const ROUNDS = Number(process.env.ACCESS_ROUNDS ?? 100);
const WAYS = ['demote', 'remove', 'replace', 'end', 'disable', 'delete'] as const;
const SCRIPT = new URL('./demote-each-other.ts', import.meta.url).href;

interface Racer {
  run(line: string): Promise<string>;
  stop(): void;
}

let database: TestDatabase;
let racers: [Racer, Racer];
beforeAll(async () => {
  database = await createTestDatabase();
  racers = [await startRacer(), await startRacer()];
});
afterAll(async () => {
  for (const racer of racers) racer.stop();
  await database.close();
});

async function startRacer(): Promise<Racer> {
  const { child, printed } = startProcess(SCRIPT, database.path);
  await printed('ready');
  const lines = createInterface(child.stdout!)[Symbol.asyncIterator]();
  return {
    async run(line) {
      child.stdin!.write(`${line}\n`);
      return (await lines.next()).value as string;
    },
    stop: () => void child.stdin!.end(),
  };
}

function count(condition: Sql) {
  return database.db.query<{ n: number }>(sql`SELECT count(*) AS n FROM ${condition}`);
}

test(`two processes that take the last admin away never both succeed, in ${ROUNDS} rounds`, {
  timeout: 60_000 + ROUNDS * 200,
}, async () => {
  for (let i = 0; i < ROUNDS; i += 1) {
    const group = await createGroup(database.db);
    const [ada, grace] = [await createUser(database.db), await createUser(database.db)];
    for (const { userId } of [ada, grace]) await addMember(database.db, group, userId, { role: 'admin' });
    const ways = [WAYS[i % WAYS.length]!, WAYS[Math.floor(i / WAYS.length) % WAYS.length]!] as const;
    const outcomes = await Promise.all([
      racers[0].run(`${ways[0]} ${group} ${grace.userId}`),
      racers[1].run(`${ways[1]} ${group} ${ada.userId}`),
    ]);
    expect(outcomes.sort(), ways.join(' against ')).toEqual(['done', 'last_admin']);
    expect(await count(sql`lasting_admins WHERE group_id = ${group}`)).toEqual([{ n: 1 }]);
  }
});

test(`nor of the last super_admin, in ${ROUNDS} rounds`, { timeout: 60_000 + ROUNDS * 200 }, async () => {
  const grant = (userId: string) =>
    sql`INSERT INTO user_roles (user_id, role, granted_at) VALUES (${userId}, 'super_admin', ${now})`;
  let last = (await createUser(database.db)).userId;
  await database.db.batch([grant(last)]);
  const ways = ['revoke', 'disable', 'delete'] as const;
  for (let i = 0; i < ROUNDS; i += 1) {
    const { userId } = await createUser(database.db);
    await database.db.batch([grant(userId)]);
    const outcomes = await Promise.all([
      racers[0].run(`${ways[i % 3]} - ${userId}`),
      racers[1].run(`${ways[Math.floor(i / 3) % 3]} - ${last}`),
    ]);
    expect(outcomes.sort()).toEqual(['done', 'last_super_admin']);
    const rows = await database.db.query<{ user_id: string }>(sql`SELECT user_id FROM active_super_admins`);
    expect(rows).toHaveLength(1);
    last = rows[0]!.user_id;
  }
});
