import { describe, expect, onTestFinished, test } from 'vitest';
import { createUser } from '../../test/factories.ts';
import { interceptBatches, mentions } from '../../test/harness/intercept.ts';
import { createTestPipeline, type TestPipeline } from '../../test/harness/pipeline.ts';
import { guestSubject } from '../access/index.ts';
import { sql } from '../db/sql.ts';
import { AppError } from '../errors/app-error.ts';

async function pipeline() {
  const p = await createTestPipeline();
  onTestFinished(p.close);
  return { ...p, ada: await createUser(p.db) };
}

async function counts({ db, storedFiles }: TestPipeline) {
  const [row] = await db.query(sql`SELECT (SELECT count(*) FROM documents) AS documents,
    (SELECT count(*) FROM document_versions) AS versions, (SELECT count(*) FROM jobs) AS jobs`);
  return { ...row, files: (await storedFiles()).length };
}

const ONE = { documents: 1, versions: 1, jobs: 1, files: 1 };
const NONE = { documents: 0, versions: 0, jobs: 0, files: 0 };

describe('accepted content', () => {
  test('is listed from the first byte, under the name of its file until it has a title', async () => {
    const p = await pipeline();

    const accepted = await p.acceptText(p.ada.subject, 'Some words.', { fileName: 'notes 1.txt', tags: ['a'] });

    expect(await p.db.query(sql`SELECT document_id, title, status, version, tags FROM documents`)).toEqual([
      { document_id: accepted.documentId, title: 'notes 1', status: 'processing', version: 0, tags: '["a"]' },
    ]);
    expect(await counts(p)).toEqual(ONE);
  });

  test('leaves nothing behind when it is refused', async () => {
    const p = await pipeline();

    const refused = p.acceptText(p.ada.subject, 'Some words.', { groupId: 'no such group' });

    await expect(refused).rejects.toMatchObject({ code: 'not_found' });
    expect(await counts(p)).toEqual(NONE);
  });

  test('keeps its file when nobody can tell whether its rows were written', async () => {
    const p = await pipeline();
    p.deps.db = interceptBatches(p.db, async (statements, run) => {
      await run(statements);
      throw new AppError('database_unavailable');
    });

    await expect(p.acceptText(p.ada.subject, 'Some words.')).rejects.toMatchObject({ code: 'database_unavailable' });

    expect(await counts(p)).toEqual(ONE);
  });
});

describe('an idempotency key', () => {
  const KEY = { idempotencyKey: 'k' };

  test('answers a repeated request with the first answer, and keeps no second file', async () => {
    const p = await pipeline();

    const first = await p.acceptText(p.ada.subject, 'Some words.', KEY);
    const second = await p.acceptText(p.ada.subject, 'Some words.', KEY);

    expect(second).toEqual(first);
    expect(await counts(p)).toEqual(ONE);
  });

  test.each([
    ['another text', 'Other words.', {}],
    ['another title', 'Some words.', { title: 'Other' }],
  ])('is refused with %s', async (_, text, fields) => {
    const p = await pipeline();
    await p.acceptText(p.ada.subject, 'Some words.', KEY);

    const second = p.acceptText(p.ada.subject, text, { ...KEY, ...fields });

    await expect(second).rejects.toMatchObject({ code: 'idempotency_conflict' });
    expect(await counts(p)).toEqual(ONE);
  });

  test('belongs to its caller', async () => {
    const p = await pipeline();
    const eve = await createUser(p.db);

    const adas = await p.acceptText(p.ada.subject, 'Some words.', KEY);
    const eves = await p.acceptText(eve.subject, 'Some words.', KEY);

    expect(eves.documentId).not.toBe(adas.documentId);
  });

  test('makes one document of many requests at the same time', async () => {
    const p = await pipeline();

    const answers = await Promise.all(Array.from({ length: 8 }, () => p.acceptText(p.ada.subject, 'Some words.', KEY)));

    expect(new Set(answers.map((answer) => answer.documentId)).size).toBe(1);
    expect(await counts(p)).toEqual(ONE);
  });

  test('gives a guest the token of the first answer again', async () => {
    const p = await pipeline();

    const first = await p.acceptText(guestSubject(), 'Some words.', { ...KEY, caller: 'guest of 192.0.2.1' });
    const second = await p.acceptText(guestSubject(), 'Some words.', { ...KEY, caller: 'guest of 192.0.2.1' });

    expect(second.jobToken).toBe(first.jobToken);
  });
});

describe('a source', () => {
  test('that several requests bring at the same time is one document with a version for each', async () => {
    const p = await pipeline();

    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, i) => p.acceptText(p.ada.subject, `Words ${i}.`, { source: 's' })),
    );

    expect(new Set(answers.map((answer) => answer.documentId)).size).toBe(1);
    expect(await counts(p)).toEqual({ documents: 1, versions: 6, jobs: 6, files: 6 });
    const numbers = await p.db.query(sql`SELECT number FROM document_versions ORDER BY number`);
    expect(numbers.map((row) => row.number)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('that another request creates in between is found at the second try', async () => {
    const p = await pipeline();
    const db = p.db;
    let other: Promise<{ documentId: string }> | null = null;
    p.deps.db = interceptBatches(db, async (statements, run) => {
      if (other === null && mentions(statements, /INSERT INTO documents/)) {
        p.deps.db = db;
        other = p.acceptText(p.ada.subject, 'Words of the other.', { source: 's' });
        await other;
      }
      return run(statements);
    });

    const mine = await p.acceptText(p.ada.subject, 'My words.', { source: 's' });

    expect(mine.documentId).toBe((await other!)!.documentId);
    expect(await counts(p)).toMatchObject({ documents: 1, versions: 2 });
  });
});
