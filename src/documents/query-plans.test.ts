import { expect, onTestFinished, test } from 'vitest';
import { createTestDatabase } from '../../test/harness/database.ts';
import { planOf } from '../../test/harness/query-plan.ts';
import { cancelIngestionOf } from './queries.ts';

test('deleting a document looks for its jobs by key, not through all jobs there ever were', async () => {
  const { db, close } = await createTestDatabase();
  onTestFinished(close);

  const plan = (await planOf(db, cancelIngestionOf('d'))).join('\n');

  expect(plan).toContain('jobs_unique (unique_key=?)');
  expect(plan).not.toContain('SCAN');
});
