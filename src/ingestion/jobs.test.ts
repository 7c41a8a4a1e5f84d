import { describe, expect, onTestFinished, test } from 'vitest';
import { createUser } from '../../test/factories.ts';
import { createTestPipeline } from '../../test/harness/pipeline.ts';
import { finishedJob } from '../../test/harness/worker.ts';
import { searchKeyword, searchVector } from '../search/index.ts';

async function pipeline() {
  const created = await createTestPipeline();
  onTestFinished(created.close);
  return created;
}

describe('a document', () => {
  test('is found by its words and by its meaning when its job has completed', async () => {
    const p = await pipeline();
    const ada = await createUser(p.db);
    const accepted = await p.acceptText(ada.subject, '# Whales\n\nThe blue whale is the largest animal.');
    await p.startWorker();

    const job = await finishedJob(p.db, accepted.jobId);

    expect(job).toMatchObject({ status: 'completed', error: null, attempts: 1 });
    expect(job.result).toMatchObject({ document_id: accepted.documentId, version: 1, chunks: 1, warnings: [] });
    const deps = { db: p.db, embeddingModel: p.model, onDegraded: () => {} };
    const request = { subject: ada.subject, query: 'largest animal', limit: 5, filters: {} };
    const byWords = await searchKeyword(deps, request);
    expect(byWords.results).toMatchObject([{ documentId: accepted.documentId, title: 'Whales' }]);
    const byMeaning = await searchVector(deps, request);
    expect(byMeaning).toMatchObject({ results: [{ documentId: accepted.documentId }], degraded: [] });
  });
});
