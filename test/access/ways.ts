import { jobMayWrite, jobOrigin, levelOnDocument, type Subject, visibleDocuments } from '../../src/access/index.ts';
import { type AnswerEvent, answerQuestion, streamAnswer } from '../../src/answers/index.ts';
import type { Database } from '../../src/db/database.ts';
import { joinSql, sql } from '../../src/db/sql.ts';
import { selectChunks, selectDocument, selectDocuments, selectVisibleIds } from '../../src/documents/index.ts';
import { reindexHandler } from '../../src/ingestion/jobs.ts';
import { enqueueJob, type JobHandler } from '../../src/jobs/index.ts';
import { type SearchRequest, searchHybrid, searchKeyword, searchVector } from '../../src/search/index.ts';
import { selectPassages } from '../../src/search/queries.ts';
import { fakeChatModel } from '../fakes/chat-model.ts';
import type { FakeEmbeddingModel } from '../fakes/embedding-model.ts';
import { runJob } from '../harness/run-jobs.ts';
import type { Library } from './library.ts';

/** Every way in which the product asks what somebody may do. */
export interface Product {
  /** The level on each document. */
  levels(subject: Subject): Promise<Record<string, number[]>>;
  /** As far as it is shown: there is no word above manage. */
  shownLevels(subject: Subject): Promise<Record<string, number[]>>;
  /** Whether a job would go on with each document. */
  jobsGoOn(subject: Subject): Promise<boolean[]>;
  /** Whether one does: run to its end, what became of it. */
  runJobOn(subject: Subject, document: number): Promise<'completed' | 'rights_revoked'>;
  /** Numbers of the documents whose content is shown, or sent to a model, in ascending order. */
  reads(subject: Subject): Promise<Record<string, number[]>>;
}

const PASSAGES_PER_DOCUMENT = 2;
const EVERYTHING = {
  groupId: null,
  ownerId: null,
  tag: null,
  sourceType: null,
  titlePart: null,
  beforeId: null,
  limit: 100,
};

export function createProduct(library: Library, embeddingModel: FakeEmbeddingModel): Product {
  const { db, documentIds } = library;
  const searches = {
    db,
    embeddingModel,
    queryVectors: { cache: library.accounts.cache, key: library.accounts.secrets.queryKey },
    onDegraded(stage: string, cause: unknown) {
      throw new Error(`${stage} failed`, { cause });
    },
  };
  const numbersOf = (found: Iterable<{ documentId: string }>): number[] => {
    const numbers = new Set([...found].map(({ documentId }) => documentIds.indexOf(documentId)));
    return [...numbers].toSorted((a, b) => a - b);
  };
  return {
    async levels(subject) {
      const checks = documentIds.map((id) => levelOnDocument(subject, id));
      return {
        'point check': await valuesOf(db, checks),
        relation: await levelsByRelation(db, subject, documentIds),
      };
    },
    async shownLevels(subject) {
      const listed = await selectDocuments(db, subject, EVERYTHING);
      const shown = await Promise.all(documentIds.map((id) => selectDocument(db, subject, id)));
      return {
        list: documentIds.map((id) => listed.find(({ documentId }) => documentId === id)?.permissions.length ?? 0),
        document: shown.map((document) => document?.permissions.length ?? 0),
      };
    },
    async jobsGoOn(subject) {
      const checks = documentIds.map((id) => jobMayWrite(subject, id));
      return (await valuesOf(db, checks)).map((may) => may === 1);
    },
    async runJobOn(subject, document) {
      const job = enqueueJob({
        jobType: 'reindex',
        payload: { document_id: documentIds[document]! },
        onBehalfOf: jobOrigin(subject),
      });
      await db.batch(job.statements);
      await runJob(db, new Map([['reindex', reindexHandler({ db }) as JobHandler]]), job.jobId);
      const [ended] = await db.query<{ status: string; code: string | null }>(
        sql`SELECT status, error ->> 'code' AS code FROM jobs WHERE job_id = ${job.jobId}`,
      );
      return (ended!.code ?? ended!.status) as 'completed';
    },
    async reads(subject) {
      const ids = new Set(await selectVisibleIds(db, subject, documentIds));
      // As many as there are to be seen: a foreign one in a ranking would take the place of one of them.
      const limit = Math.max(1, ids.size * PASSAGES_PER_DOCUMENT);
      const request = { subject, query: 'common words', limit, filters: {} };
      const passages = await selectPassages(db, subject, library.chunkIds);
      const chunks = await Promise.all(
        documentIds.map((id) => selectChunks(db, subject, id, { afterOrdinal: -1, limit: 10 })),
      );
      return {
        ids: documentIds.flatMap((id, document) => (ids.has(id) ? [document] : [])),
        passages: numbersOf(passages.values()),
        chunks: chunks.flatMap(({ length }, document) => (length > 0 ? [document] : [])),
        'keyword search': numbersOf((await searchKeyword(searches, request)).results),
        'vector search': numbersOf((await searchVector(searches, request)).results),
        'hybrid search': numbersOf((await searchHybrid(searches, request)).results),
        'search in named documents': numbersOf(
          (await searchHybrid(searches, { ...request, filters: { documentIds: [...documentIds] } })).results,
        ),
        ...(await readsOfAnswers(searches, request, numbersOf)),
      };
    },
  };
}

async function valuesOf(db: Database, expressions: ReturnType<typeof levelOnDocument>[]): Promise<number[]> {
  const [row] = await db.query<Record<string, number>>(
    sql`SELECT ${joinSql(
      expressions.map((expression, i) => sql`${expression} AS ${{ text: `v${i}`, values: [] }}`),
      ', ',
    )}`,
  );
  return expressions.map((_, i) => row![`v${i}`]!);
}

/** By asking for each level which documents have it: those of a higher one must be among those of a lower. */
async function levelsByRelation(db: Database, subject: Subject, documentIds: readonly string[]): Promise<number[]> {
  const levels = documentIds.map(() => 0);
  for (const level of [1, 2, 3, 4] as const) {
    const rows = await db.query<{ document_id: string }>(
      sql`SELECT v.document_id FROM ${visibleDocuments(subject, level)} v`,
    );
    const ids = rows.map((row) => row.document_id);
    if (new Set(ids).size < ids.length) throw new Error(`A document comes twice in the relation at level ${level}`);
    for (const [document, id] of documentIds.entries()) if (ids.includes(id)) levels[document]!++;
  }
  return levels;
}

/**
 * Answers draw on all that is found, so the documents that come with one, those sent to the model and those it may cite are
 * the same. A sentence quoted from each of them would be too much: of the quoted ones, only those of foreign documents show.
 */
async function readsOfAnswers(
  searches: Parameters<typeof searchHybrid>[0],
  { limit, ...asked }: SearchRequest,
  numbersOf: (found: Iterable<{ documentId: string }>) => number[],
): Promise<Record<string, number[]>> {
  const said = Array.from({ length: limit }, (_, i) => `These are common words [${i + 1}].`);
  const chatModel = fakeChatModel(said);
  const deps = { ...searches, chatModel, onDroppedCitations() {} };
  const request = { ...asked, limit, instruction: null, signal: new AbortController().signal };
  const quoted = await answerQuestion({ ...deps, chatModel: null }, request);
  const found = numbersOf(quoted.results);
  const foreign = numbersOf(quoted.citations.map(({ result }) => result)).filter((number) => !found.includes(number));
  const told = await answerQuestion(deps, request);
  const streamed = await lastAnswer(streamAnswer(deps, request));
  const [sent, sentAgain] = [0, 1].map((at) => numbersIn(chatModel.requests[at]));
  return {
    'answer of sentences': [...found, ...foreign],
    'answer of a model': numbersOf(told.results),
    'citations of a model': numbersOf(told.citations.map(({ result }) => result)),
    'sent to the model': sent!,
    'streamed answer': numbersOf(streamed.citations.map(({ result }) => result)),
    'sent for the stream': sentAgain!,
  };
}

async function lastAnswer(events: AsyncGenerator<AnswerEvent>) {
  for await (const event of events) if (event.kind === 'answer') return event.answer;
  throw new Error('The stream ended without an answer');
}

/** The numbers of the documents whose words are in what a model was sent. */
function numbersIn(request: { system?: string; prompt: string } | undefined): number[] {
  const words = `${request?.system} ${request?.prompt}`.matchAll(/\bnumber(\d)\b/g);
  return [...new Set([...words].map(([, number]) => Number(number)))].toSorted((a, b) => a - b);
}
