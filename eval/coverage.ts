import { sql } from '../src/db/sql.ts';
import { type SearchResult, searchKeyword } from '../src/search/index.ts';
import { coveredShare, InkPositions, type Range } from './answer-coverage.ts';
import type { ChunkingSet } from './chunking-set.ts';
import { type Library, openLibrary } from './library.ts';
import { mean } from './metrics.ts';

/** Means over the questions, 0..1: how much of the marked answer is in the best passages that fit a context. */
export interface Coverage {
  passages: number;
  questions: number;
  share2k: number;
  share4k: number;
  share8k: number;
  /** How often all of the answer is in 4,000 characters. */
  whole4k: number;
}

export const COVERAGE_METRICS = ['share2k', 'share4k', 'share8k', 'whole4k'] as const satisfies (keyof Coverage)[];

const RANKED_PASSAGES = 50;

/** Ingests the documents of the set and asks its questions by keywords, over all documents at once. */
export async function measureCoverage(set: ChunkingSet): Promise<Coverage> {
  const library = await openLibrary();
  try {
    const subject = await library.addUser();
    const stored = new Map<string, StoredDocument>();
    let passages = 0;
    for (const { name, text, positions } of set.documents) {
      const document = await library.accept(subject, {
        title: null,
        body: text,
        mediaType: 'text/plain',
        fileName: name,
      });
      passages += await library.process(document, null);
      stored.set(document.documentId, {
        name,
        positions: await storedPositions(library, document.documentId, positions),
      });
    }
    const deps = { db: library.db, embeddingModel: null, onDegraded() {} };
    const shares: { share2k: number; share4k: number; share8k: number }[] = [];
    for (const { text, document, answers } of set.questions) {
      const { results } = await searchKeyword(deps, { subject, query: text, limit: RANKED_PASSAGES, filters: {} });
      const shareIn = (chars: number) => coveredShare(answers, contextOf(results, chars, document, stored));
      shares.push({ share2k: shareIn(2_000), share4k: shareIn(4_000), share8k: shareIn(8_000) });
    }
    return {
      passages,
      questions: shares.length,
      share2k: mean(shares.map(({ share2k }) => share2k)),
      share4k: mean(shares.map(({ share4k }) => share4k)),
      share8k: mean(shares.map(({ share8k }) => share8k)),
      whole4k: mean(shares.map(({ share4k }) => (share4k === 1 ? 1 : 0))),
    };
  } finally {
    await library.close();
  }
}

interface StoredDocument {
  name: string;
  /** Of the canonical text, which the passages' offsets are in. */
  positions: InkPositions;
}

async function storedPositions(library: Library, documentId: string, original: InkPositions): Promise<InkPositions> {
  const rows = await library.db.query<{ text: string }>(sql`SELECT t.text FROM documents d
    JOIN document_texts t ON t.version_id = d.current_version_id WHERE d.document_id = ${documentId}`);
  const positions = new InkPositions(rows[0]!.text);
  if (positions.ink !== original.ink)
    throw new Error('Parsing changed more than the white space: answers cannot be found');
  return positions;
}

/** The ranges of one document that the best passages bring into `maxChars` of context, the last of them cut to fit. */
function contextOf(
  results: readonly SearchResult[],
  maxChars: number,
  name: string,
  stored: ReadonlyMap<string, StoredDocument>,
): Range[] {
  const ranges: Range[] = [];
  let left = maxChars;
  for (const { documentId, location } of results) {
    const document = stored.get(documentId)!;
    const end = Math.min(location.charEnd, location.charStart + left);
    if (document.name === name) ranges.push(document.positions.toInk({ start: location.charStart, end }));
    left -= end - location.charStart;
    if (left === 0) break;
  }
  return ranges;
}
