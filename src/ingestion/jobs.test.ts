import { describe, expect, onTestFinished, test } from 'vitest';
import { addMember, createGroup, createUser, disableUser, HOUR_MS, shareDocument } from '../../test/factories.ts';
import { holdBatch, interceptBatches } from '../../test/harness/intercept.ts';
import { createTestPipeline, type TestPipeline } from '../../test/harness/pipeline.ts';
import { waitUntil } from '../../test/harness/wait-until.ts';
import { wordIndexFaults } from '../../test/harness/word-index.ts';
import { finishedJob, jobById } from '../../test/harness/worker.ts';
import { guestSubject, type Subject } from '../access/index.ts';
import type { Row } from '../db/database.ts';
import { now, sql } from '../db/sql.ts';
import { changeDocument, removeDocument, selectDocument } from '../documents/index.ts';
import { AppError } from '../errors/app-error.ts';
import { cancelJob, retryJob } from '../jobs/index.ts';
import { searchHybrid, searchKeyword, searchVector } from '../search/index.ts';

const EVERYBODY = { all: true, ownerId: null, pollTokenHash: null };

async function pipeline() {
  const p = await createTestPipeline();
  onTestFinished(p.close);
  return { ...p, ada: await createUser(p.db) };
}

function find(p: TestPipeline, subject: Subject, query: string, by = searchKeyword) {
  const deps = { db: p.db, embeddingModel: p.model, onDegraded: () => {} };
  return by(deps, { subject, query, limit: 20, filters: {} });
}

async function textsFound(p: TestPipeline, subject: Subject, query: string): Promise<string[]> {
  return (await find(p, subject, query)).results.map((result) => result.text);
}

async function countRows(p: TestPipeline): Promise<Row> {
  const [row] = await p.db.query(sql`SELECT (SELECT count(*) FROM documents) AS documents,
    (SELECT count(*) FROM document_versions) AS versions, (SELECT count(*) FROM document_texts) AS texts,
    (SELECT count(*) FROM chunks) AS chunks, (SELECT count(*) FROM chunk_words) AS words,
    (SELECT count(*) FROM chunk_vectors) AS vectors, (SELECT count(*) FROM embedding_cache) AS cache,
    (SELECT count(*) FROM resource_shares) AS shares`);
  return row!;
}

/** Sections too long to share a chunk. */
function longText(sections: number, word: string): string {
  const sentences = `Each sentence of this section says ${word} again and then goes on a little. `.repeat(14);
  return Array.from({ length: sections }, (_, i) => `# Part ${i}\n\n${sentences}`).join('\n\n');
}

describe('a document', () => {
  test('is found by its words and by its meaning when its job has completed', async () => {
    const p = await pipeline();
    const accepted = await p.acceptText(p.ada.subject, '# Whales\n\nThe blue whale is the largest animal.');
    await p.startWorker();

    const job = await finishedJob(p.db, accepted.jobId);

    expect(job).toMatchObject({ status: 'completed', error: null, attempts: 1 });
    expect(job.result).toMatchObject({ document_id: accepted.documentId, version: 1, chunks: 1, warnings: [] });
    const byWords = await find(p, p.ada.subject, 'largest animal');
    expect(byWords.results).toMatchObject([{ documentId: accepted.documentId, title: 'Whales' }]);
    const byMeaning = await find(p, p.ada.subject, 'largest animal', searchVector);
    expect(byMeaning).toMatchObject({ results: [{ documentId: accepted.documentId }], degraded: [] });
    expect(await selectDocument(p.db, p.ada.subject, accepted.documentId)).toMatchObject({
      status: 'ready',
      version: 1,
      mediaType: 'text/plain',
      chunks: 1,
      permissions: ['read', 'write', 'manage'],
    });
  });

  test('passes the stages in order, and the job says which', async () => {
    const p = await pipeline();
    p.web.set('https://example.com/a', 'Some words.');
    const { jobId } = await p.acceptUrl(p.ada.subject, 'https://example.com/a');
    const stages: string[] = [];
    const recorded = interceptBatches(p.db, (statements, run) => {
      for (const { text, values } of statements) {
        if (text.startsWith('UPDATE jobs SET progress')) stages.push(JSON.parse(values[0] as string).stage);
      }
      return run(statements);
    });
    await p.startWorker({ db: recorded });

    const job = await finishedJob(p.db, jobId);

    expect([...new Set(stages)]).toEqual(['fetch', 'parse', 'redact', 'chunk', 'index', 'embed']);
    expect(job.progress).toEqual({ stage: 'embed', done: 1, total: 1 });
  });

  test('has chunks that are slices of its text, each with its words in the index once', async () => {
    const p = await pipeline();
    const { jobId } = await p.acceptText(p.ada.subject, longText(5, 'ภาษาไทย 😀 naïve'));
    await p.startWorker();
    await finishedJob(p.db, jobId);

    const rows = await p.db.query<{ text: string; chunk: string; char_start: number; char_end: number }>(
      sql`SELECT t.text, c.text AS chunk, c.char_start, c.char_end
        FROM chunks c JOIN document_texts t ON t.version_id = c.version_id ORDER BY c.ordinal`,
    );

    expect(rows.length).toBeGreaterThan(4);
    for (const { text, chunk, char_start, char_end } of rows) expect(text.slice(char_start, char_end)).toBe(chunk);
    expect(await wordIndexFaults(p.db)).toEqual([]);
  });

  test('is found by its words while its vectors are still to come', async () => {
    const p = await pipeline();
    const embedding = Promise.withResolvers<void>();
    p.model.before = () => embedding.promise;
    const { jobId, documentId } = await p.acceptText(p.ada.subject, 'A sentence about herons.');
    await p.startWorker();
    await waitUntil(() => p.model.documentTexts.length > 0);

    expect(await textsFound(p, p.ada.subject, 'herons')).toEqual(['A sentence about herons.']);
    expect(await selectDocument(p.db, p.ada.subject, documentId)).toMatchObject({ status: 'ready_words_only' });
    p.model.before = () => {};
    expect(await find(p, p.ada.subject, 'herons', searchHybrid)).toMatchObject({
      results: [{ documentId }],
      degraded: ['vectors_pending'],
    });

    embedding.resolve();
    await finishedJob(p.db, jobId);
    expect(await find(p, p.ada.subject, 'herons', searchHybrid)).toMatchObject({
      results: [{ documentId, scores: { vector: expect.any(Number) } }],
      degraded: [],
    });
  });

  test('without text fails, and may be tried again', async () => {
    const p = await pipeline();
    const { jobId, documentId } = await p.acceptText(p.ada.subject, ' \n ');
    await p.startWorker();

    expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'failed', error: { code: 'no_text' }, attempts: 1 });
    expect(await selectDocument(p.db, p.ada.subject, documentId)).toMatchObject({ status: 'failed', version: 0 });

    p.deps.parse = async () => ({
      title: null,
      blocks: [{ kind: 'paragraph', text: 'Read at last.' }],
      pageCount: null,
      warnings: [],
    });
    await p.db.batch(retryJob(jobId, EVERYBODY));
    expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'completed', result: { document_id: documentId } });
    expect(await textsFound(p, p.ada.subject, 'read')).toEqual(['Read at last.']);
    expect(await selectDocument(p.db, p.ada.subject, documentId)).toMatchObject({ status: 'ready', version: 1 });
  });

  test('that is cancelled while it is made says failed, and is made by a retry', async () => {
    const p = await pipeline();
    const parsing = Promise.withResolvers<void>();
    const { parse } = p.deps;
    p.deps.parse = async (_, signal) => {
      parsing.resolve();
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    };
    const { jobId, documentId } = await p.acceptText(p.ada.subject, 'Some words.');
    await p.startWorker({ leaseMs: 600 });
    await parsing.promise;

    await p.db.batch(cancelJob(jobId, EVERYBODY));

    expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'cancelled' });
    expect(await selectDocument(p.db, p.ada.subject, documentId)).toMatchObject({ status: 'failed' });
    p.deps.parse = parse;
    await p.db.batch(retryJob(jobId, EVERYBODY));
    expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'completed' });
    expect(await textsFound(p, p.ada.subject, 'words')).toEqual(['Some words.']);
  });
});

describe('an embedding model', () => {
  test('that fails for a while is asked again', async () => {
    const p = await pipeline();
    let calls = 0;
    p.model.before = () => {
      if (++calls < 3) throw new AppError('provider_unavailable');
    };
    const { jobId } = await p.acceptText(p.ada.subject, 'Some words.');
    await p.startWorker();

    expect(await finishedJob(p.db, jobId)).toMatchObject({
      status: 'completed',
      attempts: 3,
      result: { warnings: [] },
    });
    expect(p.parsed).toHaveLength(1);
  });

  test.each([
    ['stays away in every attempt', 'provider_unavailable', 5],
    ['refuses the text', 'provider_rejected', 1],
  ] as const)('that %s costs the vectors only', async (_, code, attempts) => {
    const p = await pipeline();
    p.model.before = () => {
      throw new AppError(code);
    };
    const { jobId, documentId } = await p.acceptText(p.ada.subject, 'Some words.');
    await p.startWorker();

    expect(await finishedJob(p.db, jobId)).toMatchObject({
      status: 'completed',
      attempts,
      error: null,
      result: { document_id: documentId, chunks: 1, warnings: ['vectors_missing'] },
    });
    expect(await textsFound(p, p.ada.subject, 'words')).toEqual(['Some words.']);
    expect(await selectDocument(p.db, p.ada.subject, documentId)).toMatchObject({ status: 'ready_words_only' });
  });

  describe('of a long document', () => {
    // More than sixteen parts of 64 passages: the passages of the small parser are its paragraphs.
    const LONG = Array.from(
      { length: 1_300 },
      (_, i) => `# Part ${i}\n\n${`Passage ${i} is about the topic t${i}. `.repeat(30)}`,
    );

    test('is shared among children, on as many workers as there are, and ends whole', async () => {
      const p = await pipeline();
      const { jobId, documentId } = await p.acceptText(p.ada.subject, LONG.join('\n\n'));
      await p.startWorker({ concurrency: 2 });
      await p.startWorker({ concurrency: 2 });

      const job = await finishedJob(p.db, jobId);

      expect(job).toMatchObject({
        status: 'completed',
        attempts: 1,
        result: { document_id: documentId, warnings: [] },
      });
      const children = await p.db.query<{ status: string; worker: string }>(sql`SELECT status,
        (SELECT value ->> 2 FROM json_each('[' || substr(timeline, 2) || ']') WHERE value ->> 1 = 'claimed') AS worker
        FROM jobs WHERE parent_id = ${jobId}`);
      expect(children.length).toBeGreaterThan(2);
      expect(new Set(children.map(({ status }) => status))).toEqual(new Set(['completed']));
      expect(new Set(children.map(({ worker }) => worker)).size).toBe(2);
      const [parts] = await p.db.query<{ n: number; chunks: number }>(sql`SELECT count(*) AS n,
        (SELECT chunk_count FROM document_versions) AS chunks FROM chunk_vectors`);
      expect(parts!.n).toBe(Math.ceil(parts!.chunks / 64));
      expect(new Set(p.model.documentTexts).size).toBe(p.model.documentTexts.length);
    });

    test('is done by the job itself where children fail', async () => {
      const p = await pipeline();
      let refusals = 0;
      p.model.before = (_, texts) => {
        if (refusals > 0 || !texts.some((text) => text.includes('topic t700.'))) return;
        refusals++;
        throw new AppError('provider_rejected');
      };
      const { jobId } = await p.acceptText(p.ada.subject, LONG.join('\n\n'));
      await p.startWorker({ concurrency: 2 });

      expect(await finishedJob(p.db, jobId)).toMatchObject({ status: 'completed', result: { warnings: [] } });
      const failed = await p.db.query(sql`SELECT 1 FROM jobs WHERE parent_id = ${jobId} AND status = 'failed'`);
      expect(failed).toHaveLength(1);
    });
  });

  test('is asked anew for the text of another owner, who must not learn who else has it', async () => {
    const p = await pipeline();
    const bob = await createUser(p.db);
    const jobs = [];
    for (const subject of [p.ada.subject, bob.subject, bob.subject]) {
      jobs.push(await p.acceptText(subject, 'The very same words.', { title: 'Same' }));
    }
    await p.startWorker({ concurrency: 1 });
    for (const { jobId } of jobs) await finishedJob(p.db, jobId);

    expect(p.model.documentTexts).toHaveLength(2);
    expect((await find(p, bob.subject, 'same words', searchVector)).results).toHaveLength(2);
  });

  test('is asked once for text that occurs twice, in one document or in two', async () => {
    const p = await pipeline();
    const same = `# The same\n\n${'A sentence that is repeated word for word. '.repeat(9)}`;
    const first = await p.acceptText(p.ada.subject, same);
    const second = await p.acceptText(p.ada.subject, same);
    await p.startWorker();

    await finishedJob(p.db, first.jobId);
    await finishedJob(p.db, second.jobId);

    expect(p.model.documentTexts.length).toBeGreaterThan(0);
    expect(new Set(p.model.documentTexts).size).toBe(p.model.documentTexts.length);
    const { results } = await find(p, p.ada.subject, 'sentence', searchVector);
    expect(new Set(results.map((result) => result.documentId))).toEqual(new Set([first.documentId, second.documentId]));
  });

  test('whose dimensions are not known yet takes them from what is stored', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, 'The very same words.');
    await p.startWorker();
    await finishedJob(p.db, first.jobId);
    const asked = p.model.documentTexts.length;

    p.deps.embeddingModel = { ...p.model, dimensions: 0 };
    const second = await p.acceptText(p.ada.subject, 'The very same words.');

    expect(await finishedJob(p.db, second.jobId)).toMatchObject({ status: 'completed' });
    expect(p.model.documentTexts).toHaveLength(asked);
    expect((await find(p, p.ada.subject, 'same words', searchVector)).results).toHaveLength(2);
  });
});

describe('content for a source that exists', () => {
  const SOURCE = { source: 'notes/1' };

  test('becomes the next version, and nothing is left of the one before', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, longText(3, 'older'), SOURCE);
    await p.startWorker();
    await finishedJob(p.db, first.jobId);

    const second = await p.acceptText(p.ada.subject, 'The newer words.', SOURCE);
    const job = await finishedJob(p.db, second.jobId);

    expect(second.documentId).toBe(first.documentId);
    expect(job.result).toMatchObject({ version: 2, chunks: 1 });
    expect(await textsFound(p, p.ada.subject, 'older')).toEqual([]);
    expect(await textsFound(p, p.ada.subject, 'newer')).toEqual(['The newer words.']);
    expect(await countRows(p)).toMatchObject({ versions: 1, texts: 1, chunks: 1, words: 1, vectors: 1 });
    expect(await wordIndexFaults(p.db)).toEqual([]);
    const deletion = await deletionOfFiles(p);
    expect(deletion).toHaveLength(1);
  });

  test('is seen whole or not at all by whoever searches meanwhile', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, longText(4, 'common older'), SOURCE);
    await p.startWorker();
    await finishedJob(p.db, first.jobId);
    const older = (await textsFound(p, p.ada.subject, 'common')).length;
    const seen = new Set<string>();
    let isOver = false;
    const searching = (async () => {
      while (!isOver) {
        for (const by of [searchKeyword, searchHybrid]) {
          const { results } = await find(p, p.ada.subject, 'common', by);
          const versions = new Set(results.map(({ text }) => (text.includes('older') ? 'older' : 'newer')));
          seen.add(`${[...versions].join(' and ')} ${results.length}`);
        }
      }
    })();

    for (const word of ['newer', 'older', 'newer', 'older', 'newer']) {
      const sections = word === 'older' ? 4 : 6;
      const next = await p.acceptText(p.ada.subject, longText(sections, `common ${word}`), SOURCE);
      await finishedJob(p.db, next.jobId);
    }
    isOver = true;
    await searching;

    const newer = (await textsFound(p, p.ada.subject, 'common')).length;
    expect([...seen].toSorted()).toEqual([`newer ${newer}`, `older ${older}`]);
  });

  test('that is the same is not made again, and only what came with it is taken over', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, 'The same words.', { ...SOURCE, tags: ['a'], title: 'Old' });
    await p.startWorker();
    await finishedJob(p.db, first.jobId);
    const asked = p.model.documentTexts.length;

    const second = await p.acceptText(p.ada.subject, 'The same words.', { ...SOURCE, tags: ['b'] });
    const job = await finishedJob(p.db, second.jobId);

    expect(job).toMatchObject({ status: 'completed', result: { chunks: 1, warnings: ['unchanged'] } });
    expect(await selectDocument(p.db, p.ada.subject, first.documentId)).toMatchObject({
      version: 1,
      tags: ['b'],
      title: 'Old',
      status: 'ready',
    });
    expect(p.parsed).toHaveLength(1);
    expect(p.model.documentTexts).toHaveLength(asked);
    expect(await countRows(p)).toMatchObject({ versions: 1, chunks: 1, words: 1 });
    expect(await deletionOfFiles(p)).toHaveLength(1);
  });

  test('that is the same under another title is made again, and found by it', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, 'The same words.', { ...SOURCE, title: 'Old' });
    await p.startWorker();
    await finishedJob(p.db, first.jobId);

    const second = await p.acceptText(p.ada.subject, 'The same words.', { ...SOURCE, title: 'Heronry' });

    expect(await finishedJob(p.db, second.jobId)).toMatchObject({ result: { version: 2, warnings: [] } });
    expect(await textsFound(p, p.ada.subject, 'heronry')).toEqual(['The same words.']);
  });

  test('that is the same but has no vectors yet gets them', async () => {
    const p = await pipeline();
    p.model.before = () => {
      throw new AppError('provider_rejected');
    };
    const first = await p.acceptText(p.ada.subject, 'The same words.', SOURCE);
    await p.startWorker();
    await finishedJob(p.db, first.jobId);
    p.model.before = () => {};

    const second = await p.acceptText(p.ada.subject, 'The same words.', SOURCE);

    expect(await finishedJob(p.db, second.jobId)).toMatchObject({ result: { version: 2, warnings: [] } });
    expect(await selectDocument(p.db, p.ada.subject, first.documentId)).toMatchObject({ status: 'ready' });
  });

  test('that is the same as before another one came is made, since the last one counts', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, 'The first words.', SOURCE);
    const worker = await p.startWorker();
    await finishedJob(p.db, first.jobId);
    await worker.stop();
    const other = await p.acceptText(p.ada.subject, 'Quite other words.', SOURCE);
    const again = await p.acceptText(p.ada.subject, 'The first words.', SOURCE);
    await p.db.batch([sql`UPDATE jobs SET priority = -1 WHERE job_id = ${again.jobId}`]);
    await p.startWorker();

    await finishedJob(p.db, again.jobId);
    await finishedJob(p.db, other.jobId);

    expect(await textsFound(p, p.ada.subject, 'words')).toEqual(['The first words.']);
  });

  test('that ends after a later one is superseded, whole, with its file', async () => {
    const p = await pipeline();
    const older = await p.acceptText(p.ada.subject, 'The older words.', SOURCE);
    const gate = holdBatch(p.db, /INSERT INTO chunk_words/);
    await p.startWorker({ db: gate.db });
    await gate.reached;
    const newer = await p.acceptText(p.ada.subject, 'The newer words.', { ...SOURCE, title: 'Newer' });
    await p.startWorker();
    await finishedJob(p.db, newer.jobId);

    gate.open();
    const job = await finishedJob(p.db, older.jobId);

    expect(job).toMatchObject({ status: 'completed', result: { warnings: ['superseded'] } });
    expect(await textsFound(p, p.ada.subject, 'words')).toEqual(['The newer words.']);
    expect(await selectDocument(p.db, p.ada.subject, newer.documentId)).toMatchObject({ version: 2, title: 'Newer' });
    expect(await countRows(p)).toMatchObject({ versions: 1, texts: 1, chunks: 1, words: 1 });
    expect(await wordIndexFaults(p.db)).toEqual([]);
    expect(await filesNamedNowhere(p)).toEqual([]);
  });

  test('that was fetched after a later one was done leaves no file', async () => {
    const p = await pipeline();
    p.web.set('https://example.com/', 'The older words.');
    const older = await p.acceptUrl(p.ada.subject, 'https://example.com/', SOURCE);
    const gate = holdBatch(p.db, /fetched_at =/);
    await p.startWorker({ db: gate.db });
    await gate.reached;
    const newer = await p.acceptText(p.ada.subject, 'The newer words.', SOURCE);
    await p.startWorker();
    await finishedJob(p.db, newer.jobId);

    gate.open();
    const job = await finishedJob(p.db, older.jobId);

    expect(job).toMatchObject({ status: 'completed', result: { warnings: ['superseded'] } });
    expect(await filesNamedNowhere(p)).toEqual([]);
  });

  test('does not bring back the title from before it was changed', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, 'Some words.', SOURCE);
    await p.startWorker().then((worker) => finishedJob(p.db, first.jobId).then(() => worker.stop()));
    const gate = holdBatch(p.db, /indexed_at =/);
    await p.startWorker({ db: gate.db });
    const second = await p.acceptText(p.ada.subject, 'Some other words.', SOURCE);
    await gate.reached;

    await changeDocument({ db: p.db, piiPolicy: 'off' }, p.ada.subject, first.documentId, { title: 'Given meanwhile' });
    gate.open();
    await finishedJob(p.db, second.jobId);

    expect(await selectDocument(p.db, p.ada.subject, first.documentId)).toMatchObject({ title: 'Given meanwhile' });
  });

  test('of another owner makes a document of its own', async () => {
    const p = await pipeline();
    const eve = await createUser(p.db);
    const adas = await p.acceptText(p.ada.subject, 'Words of Ada.', SOURCE);
    const eves = await p.acceptText(eve.subject, 'Words of Eve.', SOURCE);
    await p.startWorker();
    await finishedJob(p.db, eves.jobId);
    await finishedJob(p.db, adas.jobId);

    expect(eves.documentId).not.toBe(adas.documentId);
    expect(await textsFound(p, p.ada.subject, 'words')).toEqual(['Words of Ada.']);
    expect(await textsFound(p, eve.subject, 'words')).toEqual(['Words of Eve.']);
  });

  test('whose document has expired starts anew', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, 'The older words.', SOURCE);
    await p.startWorker();
    await finishedJob(p.db, first.jobId);
    await p.db.batch([sql`UPDATE documents SET expires_at = ${now} - 1`]);
    expect(await textsFound(p, p.ada.subject, 'words')).toEqual([]);
    const embedding = Promise.withResolvers<void>();
    const { parse } = p.deps;
    p.deps.parse = async (...args) => {
      await embedding.promise;
      return parse(...args);
    };

    const second = await p.acceptText(p.ada.subject, 'The newer words.', SOURCE);

    expect(second.documentId).toBe(first.documentId);
    expect(await textsFound(p, p.ada.subject, 'words')).toEqual([]);
    embedding.resolve();
    await finishedJob(p.db, second.jobId);
    expect(await textsFound(p, p.ada.subject, 'words')).toEqual(['The newer words.']);
    expect(await countRows(p)).toMatchObject({ versions: 1, chunks: 1, words: 1 });
  });
});

describe('deleting a document', () => {
  test('leaves no row that names it, no word in the index, and a job that deletes its file', async () => {
    const p = await pipeline();
    const kept = await p.acceptText(p.ada.subject, 'The words that stay.');
    const { jobId, documentId } = await p.acceptText(p.ada.subject, longText(3, 'secretword'));
    const worker = await p.startWorker();
    await finishedJob(p.db, kept.jobId);
    await finishedJob(p.db, jobId);
    await shareDocument(p.db, documentId, { userId: (await createUser(p.db)).userId });
    await worker.stop();
    const before = await filesNamedNowhere(p);

    await removeDocument(p, p.ada.subject, documentId);

    expect(before).toEqual([]);
    expect(await countRows(p)).toMatchObject({
      documents: 1,
      versions: 1,
      texts: 1,
      chunks: 1,
      words: 1,
      vectors: 1,
      cache: 1,
      shares: 0,
    });
    expect(await wordIndexFaults(p.db)).toEqual([]);
    expect(await rowsNaming(p, documentId)).toEqual(['jobs']);
    const [deletion] = await deletionOfFiles(p);
    await p.startWorker();
    expect(await finishedJob(p.db, deletion!.job_id as string)).toMatchObject({
      status: 'completed',
      result: { deleted: 1 },
    });
    expect(await filesNamedNowhere(p)).toEqual([]);
    expect(await textsFound(p, p.ada.subject, 'words')).toEqual(['The words that stay.']);
  });

  test.each([
    ['parse', /parsed_at =/],
    ['chunk', /INSERT INTO chunks/],
    ['index', /INSERT INTO chunk_words/],
    ['the swap', /indexed_at =/],
    ['embed', /INSERT INTO embedding_cache/],
    ['the vectors', /INSERT INTO chunk_vectors/],
  ])('while it is made, before the write of %s, stops the job and leaves nothing', async (_, pattern) => {
    const p = await pipeline();
    const { jobId, documentId } = await p.acceptText(p.ada.subject, 'Some secret words.');
    const gate = holdBatch(p.db, pattern);
    await p.startWorker({ db: gate.db, leaseMs: 60_000 });
    await gate.reached;

    await removeDocument(p, p.ada.subject, documentId);
    gate.open();
    const job = await finishedJob(p.db, jobId);

    expect(job).toMatchObject({ status: 'failed', error: { code: 'not_found' } });
    expect(await countRows(p)).toEqual({
      documents: 0,
      versions: 0,
      texts: 0,
      chunks: 0,
      words: 0,
      vectors: 0,
      cache: 0,
      shares: 0,
    });
    expect(await wordIndexFaults(p.db)).toEqual([]);
  });

  test('that waits to be made cancels its job', async () => {
    const p = await pipeline();
    const { jobId, documentId } = await p.acceptText(p.ada.subject, 'Some words.');

    await removeDocument(p, p.ada.subject, documentId);

    expect(await jobById(p.db, jobId)).toMatchObject({ status: 'cancelled' });
  });
});

describe('rights that end while a document is made', () => {
  test.each([
    ['parse', /parsed_at =/],
    ['chunk', /INSERT INTO chunks/],
    ['index', /INSERT INTO chunk_words/],
    ['embed', /INSERT INTO chunk_vectors/],
  ])('end it before the write of %s: nothing more is stored', async (_, pattern) => {
    const p = await pipeline();
    const { jobId } = await p.acceptText(p.ada.subject, 'Some words.');
    const gate = holdBatch(p.db, pattern);
    await p.startWorker({ db: gate.db });
    await gate.reached;
    const before = await countRows(p);

    await p.db.batch([disableUser(p.ada.userId)]);
    gate.open();
    const job = await finishedJob(p.db, jobId);

    expect(job).toMatchObject({ status: 'failed', error: { code: 'rights_revoked' } });
    expect(await countRows(p)).toEqual(before);
  });

  test('end it also between two stages, where there is a version before', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, 'The older words.', { source: 's' });
    await p.startWorker();
    await finishedJob(p.db, first.jobId);
    const { parse } = p.deps;
    p.deps.parse = async (...args) => {
      await p.db.batch([disableUser(p.ada.userId)]);
      return parse(...args);
    };

    const second = await p.acceptText(p.ada.subject, 'The newer words.', { source: 's' });

    expect(await finishedJob(p.db, second.jobId)).toMatchObject({
      status: 'failed',
      error: { code: 'rights_revoked' },
    });
  });

  test('end it also right after a stage was stored, where there is a version before', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, 'The older words.', { source: 's' });
    const worker = await p.startWorker();
    await finishedJob(p.db, first.jobId);
    await worker.stop();
    const revoking = interceptBatches(p.db, async (statements, run) => {
      const rows = await run(statements);
      if (statements.some(({ text }) => /chunked_at =/.test(text))) await p.db.batch([disableUser(p.ada.userId)]);
      return rows;
    });
    await p.startWorker({ db: revoking });

    const second = await p.acceptText(p.ada.subject, 'The newer words.', { source: 's' });

    expect(await finishedJob(p.db, second.jobId)).toMatchObject({
      status: 'failed',
      error: { code: 'rights_revoked' },
    });
  });
});

describe("a guest's content", () => {
  test('is public and expires within 24 hours, whatever was asked for', async () => {
    const p = await pipeline();
    const inAWeek = Date.now() + 7 * 24 * HOUR_MS;
    const accepted = await p.acceptText(guestSubject(), 'Words for all.', { expiresAt: inAWeek });
    await p.startWorker();

    expect(await finishedJob(p.db, accepted.jobId)).toMatchObject({ status: 'completed' });
    expect(accepted.jobToken).toMatch(/^[\w-]{43}$/);
    expect(await textsFound(p, p.ada.subject, 'words')).toEqual(['Words for all.']);
    const [row] = await p.db.query<{ hours: number }>(
      sql`SELECT (expires_at - ${now}) / 3600000.0 AS hours FROM documents`,
    );
    expect(row!.hours).toBeGreaterThan(23.9);
    expect(row!.hours).toBeLessThanOrEqual(24);
    await p.db.batch([sql`UPDATE documents SET expires_at = expires_at - 24 * 3600000`]);
    expect(await textsFound(p, p.ada.subject, 'words')).toEqual([]);
  });

  test('may expire earlier', async () => {
    const p = await pipeline();
    const inAnHour = Date.now() + HOUR_MS;
    await p.acceptText(guestSubject(), 'Words for all.', { expiresAt: inAnHour });

    expect(await p.db.query(sql`SELECT expires_at FROM documents`)).toEqual([{ expires_at: inAnHour }]);
  });

  test('never replaces that of another guest, though the source is the same', async () => {
    const p = await pipeline();
    const first = await p.acceptText(guestSubject(), 'Words of the first.', { source: 's' });
    const second = await p.acceptText(guestSubject(), 'Words of the second.', { source: 's' });
    await p.startWorker();
    await finishedJob(p.db, first.jobId);
    await finishedJob(p.db, second.jobId);

    expect((await textsFound(p, p.ada.subject, 'words')).toSorted()).toEqual([
      'Words of the first.',
      'Words of the second.',
    ]);
  });
});

describe('content for a group', () => {
  test('may be changed by its editors and read by its viewers', async () => {
    const p = await pipeline();
    const groupId = await createGroup(p.db);
    const editor = await createUser(p.db);
    const viewer = await createUser(p.db);
    await addMember(p.db, groupId, p.ada.userId, { role: 'editor' });
    await addMember(p.db, groupId, editor.userId, { role: 'editor' });
    await addMember(p.db, groupId, viewer.userId, { role: 'viewer' });

    const { jobId, documentId } = await p.acceptText(p.ada.subject, 'Words for the group.', { groupId });
    await p.startWorker();
    await finishedJob(p.db, jobId);

    const permissions = async (subject: Subject) => (await selectDocument(p.db, subject, documentId))?.permissions;
    expect(await permissions(editor.subject)).toEqual(['read', 'write']);
    expect(await permissions(viewer.subject)).toEqual(['read']);
    expect(await permissions((await createUser(p.db)).subject)).toBeUndefined();
  });

  test.each([
    ['a viewer', 'viewer', 'forbidden'],
    ['somebody else', null, 'not_found'],
  ] as const)('is refused to %s, and nothing is kept of it', async (_, role, code) => {
    const p = await pipeline();
    const groupId = await createGroup(p.db);
    if (role !== null) await addMember(p.db, groupId, p.ada.userId, { role });

    await expect(p.acceptText(p.ada.subject, 'Words.', { groupId })).rejects.toMatchObject({ code });

    expect(await countRows(p)).toMatchObject({ documents: 0, versions: 0 });
    expect(await p.db.query(sql`SELECT 1 FROM jobs`)).toEqual([]);
    expect(await filesNamedNowhere(p)).toEqual([]);
  });

  test('is shared anew, as for an editor, where the share had expired', async () => {
    const p = await pipeline();
    const groupId = await createGroup(p.db);
    const admin = await createUser(p.db);
    await addMember(p.db, groupId, p.ada.userId, { role: 'editor' });
    await addMember(p.db, groupId, admin.userId, { role: 'admin' });
    const first = await p.acceptText(p.ada.subject, 'Words.', { source: 's' });
    await shareDocument(p.db, first.documentId, { groupId }, { level: 3, expiresAt: Date.now() - HOUR_MS });

    await p.acceptText(p.ada.subject, 'Words.', { source: 's', groupId });

    const document = await selectDocument(p.db, admin.subject, first.documentId);
    expect(document?.permissions).toEqual(['read', 'write']);
  });
});

describe('a new title', () => {
  test('is found after its job, and the old one is not', async () => {
    const p = await pipeline();
    const { jobId, documentId } = await p.acceptText(p.ada.subject, longText(3, 'word'), { title: 'Aardvark' });
    await p.startWorker();
    await finishedJob(p.db, jobId);

    await changeDocument({ db: p.db, piiPolicy: 'off' }, p.ada.subject, documentId, { title: 'Zebra' });
    const [reindex] = await p.db.query<{ job_id: string }>(sql`SELECT job_id FROM jobs WHERE job_type = 'reindex'`);
    expect(await finishedJob(p.db, reindex!.job_id)).toMatchObject({ status: 'completed' });

    expect((await find(p, p.ada.subject, 'zebra')).results).toHaveLength(3);
    expect(await textsFound(p, p.ada.subject, 'aardvark')).toEqual([]);
    expect(await p.db.query(sql`SELECT count(*) AS n FROM chunk_words`)).toEqual([{ n: 3 }]);
  });

  test('leaves no words behind when the document is replaced meanwhile', async () => {
    const p = await pipeline();
    const first = await p.acceptText(p.ada.subject, 'The older words.', { source: 's' });
    await p.startWorker().then((worker) => finishedJob(p.db, first.jobId).then(() => worker.stop()));
    await changeDocument({ db: p.db, piiPolicy: 'off' }, p.ada.subject, first.documentId, { title: 'Zebra' });
    const gate = holdBatch(p.db, /DELETE FROM chunk_words/);
    const held = await p.startWorker({ db: gate.db });
    await gate.reached;
    const second = await p.acceptText(p.ada.subject, 'The newer words.', { source: 's' });
    await p.startWorker();
    await finishedJob(p.db, second.jobId);

    gate.open();
    await held.stop(20_000);

    expect(await p.db.query(sql`SELECT count(*) AS n FROM chunk_words`)).toEqual([{ n: 1 }]);
    expect(await p.db.query(sql`SELECT status FROM jobs WHERE job_type = 'reindex'`)).toEqual([
      { status: 'completed' },
    ]);
  });
});

async function deletionOfFiles(p: TestPipeline): Promise<Row[]> {
  return p.db.query(sql`SELECT job_id, payload FROM jobs WHERE job_type = 'delete_files'`);
}

/** Stored files that no version has and no job is about to delete, or has not deleted. */
async function filesNamedNowhere(p: TestPipeline): Promise<string[]> {
  const rows = await p.db.query<{ key: string }>(sql`
    SELECT storage_key AS key FROM document_versions WHERE storage_key IS NOT NULL
    UNION SELECT k.value FROM jobs, json_each(payload -> 'storage_keys') k
      WHERE job_type = 'delete_files' AND status = 'pending'`);
  const named = new Set(rows.map((row) => row.key));
  return (await p.storedFiles()).filter((key) => !named.has(key));
}

/** Tables with a row that mentions the id in any column; those inside the word index are looked at elsewhere. */
async function rowsNaming(p: TestPipeline, id: string): Promise<string[]> {
  const tables = await p.db.query<{ name: string }>(
    sql`SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'
      AND name NOT LIKE 'chunk_words%' ORDER BY name`,
  );
  const naming: string[] = [];
  for (const { name } of tables) {
    const rows = await p.db.query({ text: `SELECT * FROM ${name}`, values: [] });
    if (rows.some((row) => Object.values(row).some((value) => String(value).includes(id)))) naming.push(name);
  }
  return naming;
}
