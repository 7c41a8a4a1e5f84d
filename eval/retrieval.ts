import type { Subject } from '../src/access/index.ts';
import type { EmbeddingModel } from '../src/providers/models.ts';
import {
  type SearchAnswer,
  type SearchDependencies,
  searchHybrid,
  searchKeyword,
  searchVector,
} from '../src/search/index.ts';
import type { LabelledQuery, LabelledSet } from './labelled-set.ts';
import { type AcceptedDocument, type Library, openLibrary } from './library.ts';
import { meanQuality, type RankingQuality, rankingQuality } from './metrics.ts';

export const MODES = ['keyword', 'vector', 'hybrid'] as const;
export type Mode = (typeof MODES)[number];

export interface SetMeasurement {
  documents: number;
  passages: number;
  queries: number;
  /** Id of the embedding model; null when only words were searched. */
  model: string | null;
  quality: Partial<Record<Mode, RankingQuality>>;
}

/** As many passages as a ranking has; the tenth document may be far behind the tenth passage. */
const RANKED_PASSAGES = 100;
/** More than one document at a time, or one thread of the encoder would have nothing to do: a text has about four pieces. */
const EMBEDDED_AT_ONCE = 4;

/**
 * Ingests the documents of a set for one user into a fresh database, asks its queries in every mode, and measures the
 * rankings of documents by their best passage. Null as model measures keywords only. `report` is told how far it is.
 */
export async function measureSet(
  set: LabelledSet,
  model: EmbeddingModel | null,
  report: (progress: string) => void = () => {},
): Promise<SetMeasurement> {
  const library = await openLibrary();
  try {
    const subject = await library.addUser();
    const { accepted, corpusIds, passages } = await ingestWords(library, subject, set, report);
    if (model !== null) await ingestVectors(library, accepted, model, report);
    const deps: SearchDependencies = {
      db: library.db,
      embeddingModel: model,
      onDegraded(stage, error) {
        throw new Error(`The stage ${stage} failed, and a ranking without it is not what is measured`, {
          cause: error,
        });
      },
    };
    const searches = { keyword: searchKeyword, vector: searchVector, hybrid: searchHybrid };
    const quality: SetMeasurement['quality'] = {};
    for (const mode of model === null ? (['keyword'] as const) : MODES) {
      report(`${mode}: ${set.queries.length} queries`);
      quality[mode] = await measureSearch(set.queries, async (query) => {
        const answer = await searches[mode](deps, { subject, query, limit: RANKED_PASSAGES, filters: {} });
        return documentRanking(answer, corpusIds);
      });
    }
    const { length: documents } = set.documents;
    return { documents, passages, queries: set.queries.length, model: model?.id ?? null, quality };
  } finally {
    await library.close();
  }
}

/** One after the other, so that equal scores are ordered alike in every run: by the order of the corpus. */
async function ingestWords(library: Library, subject: Subject, set: LabelledSet, report: (progress: string) => void) {
  report(`ingesting ${set.documents.length} documents`);
  const accepted: AcceptedDocument[] = [];
  const corpusIds = new Map<string, string>();
  let passages = 0;
  for (const { id, title, text } of set.documents) {
    const document = await library.accept(subject, { title, body: text, mediaType: 'text/plain' });
    passages += await library.process(document, null);
    accepted.push(document);
    corpusIds.set(document.documentId, id);
  }
  return { accepted, corpusIds, passages };
}

async function ingestVectors(
  library: Library,
  documents: readonly AcceptedDocument[],
  model: EmbeddingModel,
  report: (progress: string) => void,
): Promise<void> {
  let next = 0;
  const embedDocuments = async () => {
    while (next < documents.length) {
      if (next % 200 === 0) report(`embedding document ${next} of ${documents.length}`);
      await library.process(documents[next++]!, model);
    }
  };
  await Promise.all(Array.from({ length: EMBEDDED_AT_ONCE }, embedDocuments));
}

async function measureSearch(
  queries: readonly LabelledQuery[],
  search: (query: string) => Promise<string[]>,
): Promise<RankingQuality> {
  const qualities: RankingQuality[] = [];
  for (const { text, grades } of queries) qualities.push(rankingQuality(await search(text), grades));
  return meanQuality(qualities);
}

/** Passages are sorted, so the first of a document is its best. */
function documentRanking({ results, degraded }: SearchAnswer, corpusIds: ReadonlyMap<string, string>): string[] {
  if (degraded.length > 0) throw new Error(`The search was degraded: ${degraded.join(', ')}`);
  return [...new Set(results.map(({ documentId }) => corpusIds.get(documentId)!))];
}
