import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createUser, type TestUser } from '../../test/factories.ts';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database.ts';
import { guestSubject } from '../access/index.ts';
import { type Sql, sql } from '../db/sql.ts';
import { activeTrace } from '../telemetry/logger.ts';
import { anonymiseAudit, recordAudit } from './index.ts';

let database: TestDatabase;
let ada: TestUser;
beforeEach(async () => {
  database = await createTestDatabase();
  ada = await createUser(database.db);
});
afterEach(() => database.close());

const GROUP = { type: 'group', id: 'g' } as const;

function entries() {
  return database.db.query(sql`SELECT * FROM audit_log ORDER BY seq`);
}

describe('an entry', () => {
  test('says who did what to whom, in which request, by the clock of the database', async () => {
    const trace = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
    const statement = activeTrace.run(trace, () =>
      recordAudit(ada.subject, 'member.added', GROUP, { concerns: 'grace', detail: { role: 'editor' } }),
    );
    const before = Date.now();
    await database.db.batch([statement]);
    const [entry] = await entries();
    expect(entry).toEqual({
      seq: 1,
      at: expect.any(Number),
      actor_id: ada.userId,
      via: 'session',
      credential_id: null,
      action: 'member.added',
      target_type: 'group',
      target_id: 'g',
      concerned_id: 'grace',
      detail: '{"role":"editor"}',
      trace_id: trace.traceId,
    });
    expect(entry!.at).toBeGreaterThanOrEqual(before - 1);
  });

  test('of nobody has no actor', async () => {
    await database.db.batch([recordAudit(guestSubject(), 'content.expired', { type: 'system', id: 'sweep' })]);
    expect(await entries()).toMatchObject([{ actor_id: null, via: 'guest', trace_id: null, detail: '{}' }]);
  });

  test('is not written when the change is not', async () => {
    const batch = [recordAudit(ada.subject, 'group.created', GROUP), sql`INSERT INTO groups VALUES (1, '', 0, 0)`];
    await expect(database.db.batch(batch)).rejects.toThrow();
    expect(await entries()).toEqual([]);
  });

  test('may be left out where nothing changed', async () => {
    const change = (userId: string) => [
      sql`UPDATE users SET updated_at = 7 WHERE user_id = ${userId}`,
      recordAudit(ada.subject, 'user.renamed', { type: 'user', id: userId }, { onlyIfChanged: true }),
    ];
    await database.db.batch([...change('nobody'), ...change(ada.userId)]);
    expect(await entries()).toMatchObject([{ target_id: ada.userId }]);
  });
});

describe('the log', () => {
  const rewrites: [string, Sql][] = [
    ['deleted', sql`DELETE FROM audit_log`],
    [
      'replaced',
      sql`INSERT OR REPLACE INTO audit_log (seq, at, via, action, target_type, target_id)
      VALUES (1, 0, 'system', 'a.b', 'system', 's')`,
    ],
    ['dated otherwise', sql`UPDATE audit_log SET at = 1`],
    ['told otherwise', sql`UPDATE audit_log SET detail = '{"role":"viewer"}'`],
    ['pinned on another', sql`UPDATE audit_log SET actor_id = 'grace'`],
    ['made anonymous while its actor is there', sql`UPDATE audit_log SET actor_id = 'erased-1'`],
    ['moved to another target', sql`UPDATE audit_log SET target_id = 'erased-1'`],
    ['parted from its credential', sql`UPDATE audit_log SET credential_id = NULL, at = at WHERE 1`],
  ];
  test.each(rewrites)('cannot be %s', async (_what, statement) => {
    const session = { ...ada.subject, credentialId: 's' };
    await database.db.batch([recordAudit(session, 'member.added', GROUP, { concerns: ada.userId })]);
    const before = await entries();
    await expect(database.db.batch([statement])).rejects.toThrow('append_only');
    expect(await entries()).toEqual(before);
  });

  test('names a person no longer once they were erased', async () => {
    const session = { ...ada.subject, credentialId: 's' };
    await database.db.batch([
      recordAudit(session, 'member.added', GROUP, { concerns: ada.userId }),
      recordAudit(session, 'user.renamed', { type: 'user', id: ada.userId }),
    ]);
    await database.db.batch([
      sql`DELETE FROM users WHERE user_id = ${ada.userId}`,
      ...anonymiseAudit(ada.userId, 'erased-1'),
    ]);
    expect(JSON.stringify(await entries())).not.toContain(ada.userId);
    expect(await entries()).toMatchObject([
      { actor_id: 'erased-1', concerned_id: 'erased-1', target_id: 'g' },
      { actor_id: 'erased-1', target_id: 'erased-1' },
    ]);
  });
});
