import { expect, onTestFinished, test } from 'vitest';
import { createUser } from '../../test/factories.ts';
import { fakeEmbeddingModel } from '../../test/fakes/embedding-model.ts';
import { createTestPipeline, type TestPipeline } from '../../test/harness/pipeline.ts';
import { waitUntil } from '../../test/harness/wait-until.ts';
import { finishedJob, jobById } from '../../test/harness/worker.ts';
import { sql } from '../db/sql.ts';
import { selectDocument } from '../documents/index.ts';
import { UNLIMITED } from '../quotas/index.ts';
import type { IngestionRules } from './rules.ts';

async function pipeline(changes: Partial<IngestionRules>): Promise<TestPipeline> {
  const p = await createTestPipeline(changes);
  onTestFinished(p.close);
  return p;
}

function userLimits(limits: Partial<IngestionRules['quotas']['user']>): Partial<IngestionRules> {
  return { quotas: { user: { ...UNLIMITED, ...limits }, group: UNLIMITED } };
}

test('without tokens a document is found by its words, and its vectors wait for the next day', async () => {
  const p = await pipeline(userLimits({ tokensPerDay: 1 }));
  const model = fakeEmbeddingModel({ isMetered: true });
  p.deps.embeddingModel = model;
  const { subject } = await createUser(p.db);
  const { jobId, documentId } = await p.acceptText(subject, 'Otters hold hands while they sleep.');
  await p.startWorker();
  await waitUntil(async () => (await jobById(p.db, jobId)).reason === 'scheduled');

  expect(await jobById(p.db, jobId)).toMatchObject({ status: 'pending', attempts: 0, error: null });
  expect(await selectDocument(p.db, subject, documentId)).toMatchObject({ status: 'ready_words_only' });
  expect(model.documentTexts).toEqual([]);
});

test('a document with more passages than there is room for is refused before any is written', async () => {
  const p = await pipeline(userLimits({ chunks: 2 }));
  const { subject } = await createUser(p.db);
  const { jobId } = await p.acceptText(
    subject,
    Array(40).fill('A sentence that fills a passage. '.repeat(20)).join('\n\n'),
  );
  await p.startWorker();

  expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'failed', error: { code: 'quota_full' } });
  expect(await p.db.query(sql`SELECT 1 FROM chunks`)).toEqual([]);
  expect(await p.db.query(sql`SELECT chunks FROM user_quotas WHERE user_id = ${subject.userId}`)).toEqual([
    { chunks: 0 },
  ]);
});

test('what is behind a URL is refused when it turns out too large, and is not kept', async () => {
  const p = await pipeline(userLimits({ bytes: 10 }));
  const { subject } = await createUser(p.db);
  p.web.set('https://example.org/', 'More than ten bytes.');
  const { jobId } = await p.acceptUrl(subject, 'https://example.org/');
  await p.startWorker();

  expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'failed', error: { code: 'quota_full' } });
  expect(await p.storedFiles()).toEqual([]);
});

test('no user has more jobs at work than are allowed, and another one does not wait for them', async () => {
  const p = await pipeline({ maxJobsPerUser: 2 });
  const [ada, bob] = [await createUser(p.db), await createUser(p.db)];
  const gate = Promise.withResolvers<void>();
  const atWork = { now: 0, most: 0 };
  const { parse } = p.deps;
  p.deps.parse = async (input, signal) => {
    const text = await parse(input, signal);
    if (JSON.stringify(text).includes('Bob')) return text;
    atWork.most = Math.max(atWork.most, ++atWork.now);
    await gate.promise;
    atWork.now--;
    return text;
  };
  const jobs = await Promise.all(Array.from({ length: 5 }, (_, n) => p.acceptText(ada.subject, `Text ${n}`)));
  const other = await p.acceptText(bob.subject, 'Of Bob');
  await p.startWorker({ concurrency: 4 });

  expect(await finishedJob(p.db, other.jobId)).toMatchObject({ status: 'completed' });
  await waitUntil(() => atWork.now === 2);
  gate.resolve();
  for (const { jobId } of jobs) expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'completed' });
  expect(atWork.most).toBe(2);
});
