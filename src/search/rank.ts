import { detectLanguage } from '../base/language.ts';
import { AppError } from '../errors/app-error.ts';
import type { EmbeddingModel } from '../providers/index.ts';
import { meteredEmbedding } from '../quotas/index.ts';
import { fuseWeighted } from './fusion.ts';
import { toFtsTerms } from './keyword-query.ts';
import { hasDocumentsWithoutVectors, selectByWords, selectPassages, selectVectorRows } from './queries.ts';
import { queryVector } from './query-vector.ts';
import type {
  Candidate,
  Degradation,
  ScoreName,
  SearchAnswer,
  SearchDependencies,
  SearchRequest,
  SearchResult,
} from './search.ts';
import { noteFound, timed } from './search-metrics.ts';
import { scanVectors } from './vector-scan.ts';

/** Length of each list that fusion sees; scores are scaled over it. */
const LIST_LENGTH = 100;

interface Ranked {
  chunkId: string;
  score: number;
  scores: SearchResult['scores'];
}

interface Ranking {
  ranked: Ranked[];
  degraded: Degradation[];
}

/** Passages by the words of the query (BM25); `[]` when the query has none. */
export function searchKeyword(deps: SearchDependencies, request: SearchRequest): Promise<SearchAnswer> {
  return rankAndRead(deps, 'keyword', request, async () => ({
    ranked: withScore(await rankByWords(deps, request), 'keyword'),
    degraded: [],
  }));
}

/** Passages by meaning. Throws `embedding_not_set_up` without a model, `provider_*` where it does not answer, `quota_exceeded`. */
export async function searchVector(deps: SearchDependencies, request: SearchRequest): Promise<SearchAnswer> {
  const model = modelFor(deps, request);
  if (model === null) {
    throw new AppError('embedding_not_set_up', 'Vectors are off: EMBEDDING_PROVIDER is none');
  }
  return rankAndRead(deps, 'vector', request, async () => ({
    ranked: withScore(await rankByMeaning(deps, model, request), 'vector'),
    degraded: await pendingVectors(deps, request),
  }));
}

/**
 * Both lists, fused by a weighted sum of their scaled scores. Where the model's language is not the query's, or the model
 * does not answer or the caller's tokens are used up, the words alone decide; the latter are said in `degraded`.
 */
export async function searchHybrid(deps: SearchDependencies, request: SearchRequest): Promise<SearchAnswer> {
  const model = modelFor(deps, request);
  const weight = model === null ? 0 : await vectorWeight(model, request.query);
  return rankAndRead(deps, 'hybrid', request, async () => {
    const [words, meaning, pending] = await Promise.all([
      rankByWords(deps, request),
      weight === 0 ? [] : rankByMeaning(deps, model!, request).catch((error) => degrade(deps, error)),
      weight === 0 ? [] : pendingVectors(deps, request),
    ]);
    const degraded: Degradation[] = [...pending];
    if (meaning === null) degraded.push('embedding_unavailable');
    return { ranked: fuse(words, meaning ?? [], weight), degraded };
  });
}

/** The model at the cost of the user who asks. */
function modelFor({ embeddingModel, tokens }: SearchDependencies, { subject }: SearchRequest): EmbeddingModel | null {
  if (embeddingModel === null || tokens === undefined || subject.userId === null) return embeddingModel;
  return meteredEmbedding(embeddingModel, tokens, { userId: subject.userId });
}

const MAX_TRIES = 3;

/**
 * A version that is replaced between the ranking and the reading takes its passages with it, and the ranking knows none of
 * the new one's: then both are done again, so that a document does not vanish for the moment of its change.
 */
async function rankAndRead(
  deps: SearchDependencies,
  mode: 'keyword' | 'vector' | 'hybrid',
  request: SearchRequest,
  rank: () => Promise<Ranking>,
): Promise<SearchAnswer> {
  for (let tries = 1; ; tries++) {
    const { ranked, degraded } = await rank();
    const top = ranked.slice(0, request.limit);
    const results = await timed(deps, 'read', () => readResults(deps, request, top));
    if (results.length === top.length || tries === MAX_TRIES) return noteFound(deps, mode, { results, degraded });
  }
}

async function rankByWords(deps: SearchDependencies, request: SearchRequest): Promise<Candidate[]> {
  const terms = toFtsTerms(request.query);
  if (terms.length === 0) return [];
  return timed(deps, 'words', () => selectByWords(deps.db, request.subject, request.filters, terms, LIST_LENGTH));
}

async function rankByMeaning(
  deps: SearchDependencies,
  model: EmbeddingModel,
  request: SearchRequest,
): Promise<Candidate[]> {
  const rows = await selectVectorRows(deps.db, request.subject, request.filters, model.id);
  if (rows.length === 0) return [];
  const query = await timed(deps, 'query_vector', () =>
    queryVector(model, request.query, request.subject, deps.queryVectors),
  );
  return timed(deps, 'vectors', () => scanVectors(deps.db, rows, query, LIST_LENGTH));
}

function degrade(deps: SearchDependencies, error: unknown): null {
  deps.onDegraded('embedding', error);
  return null;
}

async function pendingVectors(deps: SearchDependencies, request: SearchRequest): Promise<Degradation[]> {
  const isPending = await hasDocumentsWithoutVectors(deps.db, request.subject, request.filters);
  return isPending ? ['vectors_pending'] : [];
}

/** 0 for a query in a language the model does not know. A query too short to tell counts as known if its script is Latin. */
async function vectorWeight(model: EmbeddingModel, query: string): Promise<number> {
  if (model.languages === null) return model.hybridWeight;
  const language = await detectLanguage(query);
  const fits = language === null ? !/[^\p{Script=Latin}\P{L}]/u.test(query) : model.languages.includes(language);
  return fits ? model.hybridWeight : 0;
}

function fuse(words: readonly Candidate[], meaning: readonly Candidate[], weight: number): Ranked[] {
  const asItems = (list: readonly Candidate[]) => list.map(({ chunkId, score }) => ({ id: chunkId, score }));
  const fused = fuseWeighted(
    [
      { name: 'keyword', weight: 1 - weight, items: asItems(words) },
      { name: 'vector', weight, items: asItems(meaning) },
    ],
    LIST_LENGTH,
  );
  return fused.map(({ id, score, lists }) => ({
    chunkId: id,
    score,
    scores: {
      ...(lists.keyword && { keyword: lists.keyword.score }),
      ...(lists.vector && { vector: lists.vector.score }),
      fused: score,
    },
  }));
}

function withScore(candidates: readonly Candidate[], name: ScoreName): Ranked[] {
  return candidates.map(({ chunkId, score }) => ({ chunkId, score, scores: { [name]: score } }));
}

async function readResults(
  deps: SearchDependencies,
  request: SearchRequest,
  top: readonly Ranked[],
): Promise<SearchResult[]> {
  if (top.length === 0) return [];
  const ids = top.map(({ chunkId }) => chunkId);
  const passages = await selectPassages(deps.db, request.subject, ids);
  return top.flatMap(({ chunkId, score, scores }) => {
    const passage = passages.get(chunkId);
    return passage === undefined ? [] : [{ ...passage, score, scores }];
  });
}
