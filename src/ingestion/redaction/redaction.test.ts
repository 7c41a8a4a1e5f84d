import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { addMember, createGroup, createUser, type TestUser } from '../../../test/factories.ts';
import { createTestPipeline, type TestPipeline } from '../../../test/harness/pipeline.ts';
import { finishedJob } from '../../../test/harness/worker.ts';
import { sql } from '../../db/sql.ts';
import { changeDocument, selectDocument, selectOriginalFile } from '../../documents/index.ts';
import { changeGroupPolicy, createRedactor, type PiiPolicy } from '../../redaction/index.ts';
import { toCanonicalText } from '../chunking/canonical-text.ts';
import type { Block } from '../parsers/parsed-document.ts';
import type { IngestionRules } from '../rules.ts';
import { redactDocument } from './redact-document.ts';

interface Library extends TestPipeline {
  ada: TestUser;
  /** Takes a text in to the end; answers its document, the result of the job, and what is stored of it. */
  ingest(text: string, options?: Parameters<TestPipeline['acceptText']>[2]): Promise<Ingested>;
}

interface Ingested {
  documentId: string;
  job: Awaited<ReturnType<typeof finishedJob>>;
  text: string;
}

async function library(changes: Partial<IngestionRules>): Promise<Library> {
  const p = await createTestPipeline(changes);
  onTestFinished(p.close);
  const ada = await createUser(p.db);
  await p.startWorker();
  return {
    ...p,
    ada,
    async ingest(text, options) {
      const { jobId, documentId } = await p.acceptText(ada.subject, text, options);
      const job = await finishedJob(p.db, jobId);
      const [stored] = await p.db.query<{ text: string }>(sql`SELECT t.text FROM documents d
        JOIN document_texts t ON t.version_id = d.current_version_id WHERE d.document_id = ${documentId}`);
      return { documentId, job, text: stored?.text ?? '' };
    },
  };
}

/** The bytes of every file below a directory, and of the database with its log. */
async function everythingStored(p: TestPipeline): Promise<string> {
  await p.db.batch([sql`INSERT INTO chunk_words (chunk_words) VALUES ('optimize')`]);
  const names = await readdir(p.directory, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const bytes = await Promise.all(
    [p.path, `${p.path}-wal`, ...files].map((path) => readFile(path, 'latin1').catch(() => '')),
  );
  return bytes.join('\n');
}

/** What any statement can read: values that were stored once may be left in pages of the file until they are used again. */
async function everyRow({ db }: TestPipeline): Promise<string> {
  const tables = await db.query<{ name: string }>(sql`SELECT name FROM pragma_table_list WHERE type = 'table'`);
  expect(await db.query(sql`SELECT rowid FROM chunk_words WHERE chunk_words MATCH 'marker'`)).toEqual([]);
  const rows = await Promise.all(tables.map(({ name }) => db.query({ text: `SELECT * FROM "${name}"`, values: [] })));
  return JSON.stringify(rows);
}

async function waitUntilFilesAreGone(p: TestPipeline): Promise<void> {
  await expect.poll(() => p.storedFiles(), { timeout: 20_000 }).toEqual([]);
}

const EMAIL = 'marker.person@example.org';

describe('under mask', () => {
  test('a value is in no table, index, file, cache, job or call of a model, wherever it came in', async () => {
    const p = await library({ piiPolicy: 'mask' });
    const group = await createGroup(p.db);
    await addMember(p.db, group, p.ada.userId, { role: 'editor' });

    const { documentId, job, text } = await p.ingest(`# About ${EMAIL}\n\nWrite to ${EMAIL} today.`, {
      title: `Letters of ${EMAIL}`,
      tags: ['letters', EMAIL],
      metadata: { author: EMAIL, nested: [{ [EMAIL]: 1 }] },
      groupId: group,
      fileName: `${EMAIL}.txt`,
      idempotencyKey: 'once',
    });
    await waitUntilFilesAreGone(p);

    expect(job).toMatchObject({ status: 'completed', result: { warnings: ['personal_data_masked'] } });
    expect(text).toBe('About [EMAIL]\n\nWrite to [EMAIL] today.');
    expect(await selectDocument(p.db, p.ada.subject, documentId)).toMatchObject({
      title: 'Letters of [EMAIL]',
      tags: ['letters', '[EMAIL]'],
      metadata: { author: '[EMAIL]', nested: [{ '[EMAIL]': 1 }] },
      bytes: Buffer.byteLength(text),
      piiPolicy: 'mask',
      pii: { email: 8 },
    });
    expect(p.model.documentTexts.length).toBeGreaterThan(0);
    expect(p.model.documentTexts.join('\n')).not.toContain('marker');
    expect(await everythingStored(p)).not.toContain('marker');
  });

  test('a value is gone from the database when what was behind a URL has been read', async () => {
    const p = await library({ piiPolicy: 'mask' });
    const url = `https://example.org/people/${EMAIL}`;
    p.web.set(url, `Write to ${EMAIL}.`);
    const { jobId, documentId } = await p.acceptUrl(p.ada.subject, url);
    await finishedJob(p.db, jobId);
    await waitUntilFilesAreGone(p);

    expect(await selectDocument(p.db, p.ada.subject, documentId)).toMatchObject({
      title: 'example.org/people/[EMAIL]',
      pii: { email: 3 },
    });
    expect(await everyRow(p)).not.toContain('marker');
  });

  test('the original is not given out, before it is masked or afterwards', async () => {
    const p = await createTestPipeline({ piiPolicy: 'mask' });
    onTestFinished(p.close);
    const { subject } = await createUser(p.db);
    const { documentId, jobId } = await p.acceptText(subject, `Write to ${EMAIL}.`);
    expect(await selectOriginalFile(p.db, subject, documentId)).toMatchObject({ storageKey: null });
    await p.startWorker();
    await finishedJob(p.db, jobId);
    expect(await selectOriginalFile(p.db, subject, documentId)).toMatchObject({ storageKey: null });
  });

  test('a source with a value is refused, and nothing is kept of it', async () => {
    const p = await library({ piiPolicy: 'mask' });
    await expect(p.ingest('Text.', { source: `mail/${EMAIL}` })).rejects.toMatchObject({
      code: 'personal_data_in_source',
    });
    expect(await p.storedFiles()).toEqual([]);
    expect(await everythingStored(p)).not.toContain('marker');
  });

  test('what is changed later is masked as well', async () => {
    const p = await library({ piiPolicy: 'mask' });
    const { documentId } = await p.ingest('Text.');
    const deps = { db: p.db, piiPolicy: 'mask' as const };
    const changed = await changeDocument(deps, p.ada.subject, documentId, {
      title: `To ${EMAIL}`,
      metadata: { to: EMAIL },
    });
    expect(changed).toMatchObject({ title: 'To [EMAIL]', metadata: { to: '[EMAIL]' } });
  });
});

test('under tag the text stays as it is, and says how often each kind is in it', async () => {
  const p = await library({ piiPolicy: 'tag' });
  const { documentId, job, text } = await p.ingest(`Write to ${EMAIL} from 203.0.113.42.`, { title: 'Letters' });
  expect(text).toBe(`Write to ${EMAIL} from 203.0.113.42.`);
  expect(job.result).toMatchObject({ warnings: ['personal_data_found'] });
  expect(await selectDocument(p.db, p.ada.subject, documentId)).toMatchObject({
    piiPolicy: 'tag',
    pii: { email: 1, ip_address: 1 },
  });
  expect(await p.storedFiles()).toHaveLength(1);
});

test('under off nobody looks', async () => {
  const p = await library({ piiPolicy: 'off' });
  const { documentId, job } = await p.ingest(`Write to ${EMAIL}.`);
  expect(job.result).toMatchObject({ warnings: [] });
  expect(await selectDocument(p.db, p.ada.subject, documentId)).toMatchObject({ piiPolicy: 'off', pii: null });
});

describe('the policy of a group', () => {
  async function withGroup(everywhere: PiiPolicy, ofGroup: PiiPolicy) {
    const p = await library({ piiPolicy: everywhere });
    const groupId = await createGroup(p.db);
    await addMember(p.db, groupId, p.ada.userId, { role: 'admin' });
    await changeGroupPolicy(p, p.ada.subject, groupId, ofGroup);
    return { ...p, groupId };
  }

  test.each([
    ['off', 'mask', 'mask'],
    ['tag', 'off', 'tag'],
    ['mask', 'off', 'mask'],
  ] as const)('with %s everywhere, %s there is %s for what is added to it', async (everywhere, ofGroup, expected) => {
    const p = await withGroup(everywhere, ofGroup);
    const { documentId } = await p.ingest(`Write to ${EMAIL}.`, { groupId: p.groupId });
    expect(await selectDocument(p.db, p.ada.subject, documentId)).toMatchObject({ piiPolicy: expected });
  });

  test('says nothing of what is added for others', async () => {
    const p = await withGroup('off', 'mask');
    expect((await p.ingest(`Write to ${EMAIL}.`)).text).toContain(EMAIL);
  });

  test('masks what is there when it is added again, with what was said about it', async () => {
    const p = await withGroup('off', 'off');
    const text = `Write to ${EMAIL}.`;
    const options = { source: 'letters', groupId: p.groupId };
    await p.ingest(text, { ...options, title: `To ${EMAIL}`, tags: [EMAIL], metadata: { to: EMAIL } });
    await changeGroupPolicy(p, p.ada.subject, p.groupId, 'mask');

    const again = await p.ingest(text, options);
    await waitUntilFilesAreGone(p);

    expect(again.text).toBe('Write to [EMAIL].');
    expect(await selectDocument(p.db, p.ada.subject, again.documentId)).toMatchObject({
      version: 2,
      title: 'To [EMAIL]',
      tags: ['[EMAIL]'],
      metadata: { to: '[EMAIL]' },
    });
    expect(await everyRow(p)).not.toContain('marker');
  });

  test('is for its admins to set', async () => {
    const p = await withGroup('off', 'off');
    const [editor, stranger] = [await createUser(p.db), await createUser(p.db)];
    await addMember(p.db, p.groupId, editor.userId, { role: 'editor' });
    await expect(changeGroupPolicy(p, editor.subject, p.groupId, 'mask')).rejects.toMatchObject({ code: 'forbidden' });
    await expect(changeGroupPolicy(p, stranger.subject, p.groupId, 'mask')).rejects.toMatchObject({
      code: 'not_found',
    });
  });
});

describe('a masked document', () => {
  const cell = fc.constantFrom('', 'plain', EMAIL, '111222333', 'a | b');
  const block: fc.Arbitrary<Block> = fc.oneof(
    fc.record({
      kind: fc.constantFrom('paragraph' as const, 'list_item' as const, 'code' as const),
      text: fc.constantFrom('Plain words.', `Write to ${EMAIL}, or ${EMAIL}.`, `Line\n${EMAIL}\nline`),
      page: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({
      kind: fc.constant('table' as const),
      header: fc.constantFrom<string[]>([], ['BSN', 'mail']),
      rows: fc.array(fc.array(cell, { minLength: 1, maxLength: 3 }), { maxLength: 4 }),
    }),
  );

  test('has its spans where its text is: as if it had been written that way', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 8 }), (blocks) => {
        const document = { title: null, blocks, pageCount: 3, warnings: [] };
        const { text, spans } = toCanonicalText(redactDocument(document, createRedactor('mask')));
        expect(text).not.toContain('marker');
        expect(spans.every(({ start, end }, at) => start < end && start >= (spans[at - 1]?.end ?? 0))).toBe(true);
        const plain = toCanonicalText(document);
        expect(spans.map(({ kind, page }) => [kind, page])).toEqual(plain.spans.map(({ kind, page }) => [kind, page]));
        for (const [at, { start, end }] of spans.entries()) {
          const before = plain.text.slice(plain.spans[at]!.start, plain.spans[at]!.end);
          expect(text.slice(start, end).replaceAll('[ID]', '111222333')).toBe(before.replaceAll(EMAIL, '[EMAIL]'));
        }
      }),
    );
  });
});
