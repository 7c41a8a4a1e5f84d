import { expect, onTestFinished, test } from 'vitest';
import { createUser, disableUser, subjectOf } from '../../test/factories.ts';
import { createTestPipeline } from '../../test/harness/pipeline.ts';
import { finishedJob } from '../../test/harness/worker.ts';
import type { Statement } from '../db/database.ts';
import { sql } from '../db/sql.ts';

/** Enough for two calls of a model that takes eight pieces at a time. */
const LONG_TEXT = Array.from({ length: 40 }, (_, n) => `Sentence ${n} says something of its own. `.repeat(12)).join(
  '\n\n',
);

test('what may not be written any more is not sent to a model, however late it is revoked', async () => {
  const p = await createTestPipeline();
  onTestFinished(() => p.close());
  const ada = await createUser(p.db);
  const { jobId } = await p.acceptText(ada.subject, 'Some words.');
  // The last statement before the pieces are sent.
  p.deps.db = new Proxy(p.db, {
    get(target, name) {
      if (name !== 'query') return Reflect.get(target, name).bind?.(target);
      return async (statement: Statement, options?: { offThread?: boolean }) => {
        const rows = await target.query(statement, options);
        if (statement.text.includes('embedding_cache')) await target.batch([disableUser(ada.userId)]);
        return rows;
      };
    },
  });
  await p.startWorker();

  expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'failed', error: { code: 'rights_revoked' } });
  expect(p.model.documentTexts).toEqual([]);
});

test('rights that end while a model has one batch leave the next one at home', async () => {
  const p = await createTestPipeline();
  onTestFinished(() => p.close());
  const ada = await createUser(p.db);
  const { jobId } = await p.acceptText(ada.subject, LONG_TEXT);
  p.model.before = async () => void (await p.db.batch([disableUser(ada.userId)]));
  await p.startWorker();

  expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'failed', error: { code: 'rights_revoked' } });
  expect(p.model.documentTexts).toHaveLength(p.model.batchSize);
  expect(await p.db.query(sql`SELECT 1 AS found FROM chunk_vectors`)).toEqual([]);
  expect(await p.db.query(sql`SELECT 1 AS found FROM embedding_cache`)).toEqual([]);
});

test('a deleted API key takes along what it has left in the queue, and what is under way', async () => {
  const p = await createTestPipeline();
  onTestFinished(() => p.close());
  const { userId } = await createUser(p.db);
  const subject = subjectOf(userId, { via: 'api_key', levelCap: 2, credentialId: 'key' });
  const makeKey = sql`INSERT INTO api_keys (key_id, user_id, name, secret_hash, scopes, created_at)
    VALUES ('key', ${userId}, 'k', ${'0'.repeat(64)}, '["ingest"]', 0)`;
  const deleteKey = sql`DELETE FROM api_keys`;
  const waiting = await p.acceptText(subject, 'Some words.');
  await p.startWorker();
  expect(await finishedJob(p.db, waiting.jobId)).toMatchObject({ status: 'failed', error: { code: 'rights_revoked' } });

  await p.db.batch([makeKey]);
  p.model.before = async () => void (await p.db.batch([deleteKey]));
  const running = await p.acceptText(subject, LONG_TEXT);
  expect(await finishedJob(p.db, running.jobId)).toMatchObject({ status: 'failed', error: { code: 'rights_revoked' } });
  expect(p.model.documentTexts).toHaveLength(p.model.batchSize);
});
