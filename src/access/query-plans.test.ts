import { beforeAll, describe, expect, test } from 'vitest';
import { subjectOf } from '../../test/factories.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import { planOf } from '../../test/harness/query-plan.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { levelOnDocument, visibleDocuments } from './visibility.ts';

const user = subjectOf('u', { memberships: { epoch: 1, list: '[["g","viewer",null]]' } });
const key = subjectOf('u', { groupId: 'g' });

describe('the relation', () => {
  let db: Database;
  beforeAll(async () => {
    const created = await createTestDatabase();
    db = created.db;
    // Figures as of a large installation, which without the fixed order of joins made it read every share.
    await db.batch([
      sql`ANALYZE`,
      sql`INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('documents', 'documents_by_owner', '100000 50 1'),
        ('documents', 'documents_public', '100 1'), ('users', 'sqlite_autoindex_users_1', '2000 1'),
        ('group_memberships', 'group_memberships_by_user', '20000 10 1'),
        ('resource_shares', 'resource_shares_by_user', '25000 13 13 1'),
        ('resource_shares', 'resource_shares_by_group', '25000 125 125 1'),
        ('resource_shares', 'resource_shares_by_resource', '50000 50000 1')`,
      sql`ANALYZE sqlite_schema`,
    ]);
    return created.close;
  });

  test.each([
    ['of a user', user],
    ['of a key of one group', key],
  ])('%s finds the level on a document by its keys alone', async (_, subject) => {
    const plan = await planOf(db, sql`SELECT ${levelOnDocument(subject, 'd')} AS level`);
    expect(plan.filter((step) => /^SCAN (documents|s|m|u|e)\b/.test(step))).toEqual([]);
    expect(plan.join('\n')).toContain(
      'resource_shares_by_group (grantee_group_id=? AND resource_type=? AND resource_id=?)',
    );
  });

  test('lists by owner, by share and by group, without reading all documents or all shares', async () => {
    const plan = await planOf(db, sql`SELECT document_id FROM ${visibleDocuments(user)}`);
    expect(plan.filter((step) => /^SCAN (s|m|u|e)\b/.test(step))).toEqual([]);
    // What is public is read whole, by the index that holds nothing else.
    expect(plan.filter((step) => step.startsWith('SCAN documents'))).toEqual([
      expect.stringContaining('documents_public'),
    ]);
    for (const index of ['documents_by_owner', 'resource_shares_by_user', 'resource_shares_by_group']) {
      expect(plan.join('\n')).toContain(index);
    }
  });
});
