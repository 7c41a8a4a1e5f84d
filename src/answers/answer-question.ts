import { AppError, hasCode } from '../errors/app-error.ts';
import type { ChatModel, ChatRequest, ChatUsage } from '../providers/index.ts';
import { meteredChat } from '../quotas/index.ts';
import {
  type Degradation,
  type SearchAnswer,
  type SearchDependencies,
  type SearchRequest,
  type SearchResult,
  searchHybrid,
} from '../search/index.ts';
import { CitationStream } from './citations.ts';
import { extractiveAnswer } from './extractive.ts';
import type { Citation, Passage } from './passage.ts';
import { buildAnswerPrompt } from './prompts/answer-v1.ts';
import { RightsWatch } from './rights-watch.ts';

const MAX_OUTPUT_TOKENS = 1_024;
/** Of a model that is asked again because rights were revoked while it answered. */
const MAX_MODEL_TRIES = 2;

export interface AnswerDependencies extends SearchDependencies {
  /** Null: the best sentences are quoted. */
  chatModel: ChatModel | null;
  /** Told how many citations of an answer had nothing to stand on. */
  onDroppedCitations(count: number): void;
}

export interface QuestionRequest extends SearchRequest {
  /** A wish about form and tone. */
  instruction: string | null;
  signal: AbortSignal;
}

export interface PassageCitation extends Citation {
  result: SearchResult;
}

export interface Answer {
  /** Null when nothing was found, or nothing that answers. */
  answer: string | null;
  mode: 'llm' | 'extractive';
  /** One for each quote; every `[n]` in `answer` is the number of one. `n` counts `results` from 1. */
  citations: PassageCitation[];
  results: SearchResult[];
  degraded: Degradation[];
  usage: ChatUsage | null;
}

export type AnswerEvent =
  | { kind: 'results'; results: SearchResult[]; degraded: Degradation[] }
  | { kind: 'delta'; text: string }
  | { kind: 'answer'; answer: Answer };

/**
 * Answers from what the subject may see. The text of a model leaves only after its citations were checked; a model that
 * fails is replaced by quoted sentences and `chat_unavailable`. What is revoked while it answers is in no answer: the model is
 * asked once more about what is left, and then sentences are quoted, which leave in the moment they are read. Throws
 * `AppError` invalid_credentials where the caller's session or key ends meanwhile, quota_exceeded where the caller's tokens of
 * the day are used up.
 */
export async function answerQuestion(deps: AnswerDependencies, request: QuestionRequest): Promise<Answer> {
  for (let tries = 1; tries <= MAX_MODEL_TRIES; tries++) {
    try {
      return await answerOnce(deps, request);
    } catch (error) {
      if (!hasCode(error, 'rights_revoked')) throw error;
    }
  }
  const found = await searchHybrid(deps, request);
  return quoteSentences(request, found, toPassages(found.results));
}

/** Throws `AppError` rights_revoked where a passage was to be seen at first and is not any more. */
async function answerOnce(deps: AnswerDependencies, request: QuestionRequest): Promise<Answer> {
  const found = await searchHybrid(deps, request);
  const passages = toPassages(found.results);
  const model = modelFor(deps, request);
  if (model === null || passages.length === 0) return quoteSentences(request, found, passages);
  const rights = watchRights(deps, request, found);
  const answer = await askModel(deps, model, request, found, rights).catch((error) =>
    withoutModel(deps, error, request, found, passages),
  );
  await rights.check();
  return answer;
}

/** The model at the cost of the user who asks. */
function modelFor({ chatModel, tokens }: AnswerDependencies, { subject }: QuestionRequest): ChatModel | null {
  if (chatModel === null || tokens === undefined || subject.userId === null) return chatModel;
  return meteredChat(chatModel, tokens, { userId: subject.userId });
}

async function askModel(
  deps: AnswerDependencies,
  model: ChatModel,
  request: QuestionRequest,
  found: SearchAnswer,
  rights: RightsWatch,
): Promise<Answer> {
  const { text, usage } = await model.generate(chatRequest(model, request, found, rights));
  const verified = new CitationStream(toPassages(found.results), allowedLinks(found.results));
  const answer = verified.push(text) + verified.end();
  return modelAnswer(deps, found, verified, answer, usage);
}

function watchRights(deps: AnswerDependencies, { subject }: QuestionRequest, { results }: SearchAnswer): RightsWatch {
  return new RightsWatch(
    deps.db,
    subject,
    results.map(({ documentId }) => documentId),
  );
}

function chatRequest(
  model: ChatModel,
  request: QuestionRequest,
  { results }: SearchAnswer,
  rights: RightsWatch,
): ChatRequest {
  return {
    ...promptFor(model, request, results),
    maxOutputTokens: MAX_OUTPUT_TOKENS,
    signal: request.signal,
    beforeSending: () => rights.check(),
  };
}

/**
 * The same in steps: the results at once, the answer in verified pieces, the whole at the end. A model that fails before
 * its first piece is replaced as above; one that fails later throws, since what was sent cannot be taken back. For the same
 * reason it ends with rights_revoked where a passage is not to be seen any more; no piece leaves without a look at that.
 */
export async function* streamAnswer(deps: AnswerDependencies, request: QuestionRequest): AsyncGenerator<AnswerEvent> {
  const found = await searchHybrid(deps, request);
  yield { kind: 'results', ...found };
  const passages = toPassages(found.results);
  const model = modelFor(deps, request);
  if (model === null || passages.length === 0) {
    yield* whole(quoteSentences(request, found, passages));
    return;
  }
  const verified = new CitationStream(passages, allowedLinks(found.results));
  const rights = watchRights(deps, request, found);
  let sent = '';
  try {
    for await (const piece of model.stream(chatRequest(model, request, found, rights))) {
      const text = verified.push(piece);
      if (text === '') continue;
      await rights.checkIfChanged();
      sent += text;
      yield { kind: 'delta', text };
    }
  } catch (error) {
    if (sent !== '') throw error;
    const answer = withoutModel(deps, error, request, found, passages);
    await rights.check();
    yield* whole(answer);
    return;
  }
  await rights.check();
  const rest = verified.end();
  if (rest !== '') yield { kind: 'delta', text: rest };
  yield { kind: 'answer', answer: modelAnswer(deps, found, verified, sent + rest, null) };
}

function* whole(answer: Answer): Generator<AnswerEvent> {
  if (answer.answer !== null) yield { kind: 'delta', text: answer.answer };
  yield { kind: 'answer', answer };
}

function modelAnswer(
  deps: AnswerDependencies,
  found: SearchAnswer,
  verified: CitationStream,
  text: string,
  usage: ChatUsage | null,
): Answer {
  if (verified.dropped > 0) {
    deps.onDroppedCitations(verified.dropped);
    deps.metrics?.count('anyrag_citations_dropped_total', {}, verified.dropped);
  }
  const answer = text.trim();
  return {
    answer: answer === '' ? null : answer,
    mode: 'llm',
    citations: withResults(verified.citations, found.results),
    ...found,
    usage,
  };
}

function withoutModel(
  deps: AnswerDependencies,
  error: unknown,
  request: QuestionRequest,
  found: SearchAnswer,
  passages: readonly Passage[],
): Answer {
  request.signal.throwIfAborted();
  if (!(error instanceof AppError) || hasCode(error, 'rights_revoked', 'invalid_credentials', 'quota_exceeded')) {
    throw error;
  }
  deps.onDegraded('chat', error);
  deps.metrics?.count('anyrag_degraded_total', { reason: 'chat_unavailable' });
  const degraded: Degradation[] = [...found.degraded, 'chat_unavailable'];
  return quoteSentences(request, { ...found, degraded }, passages);
}

function quoteSentences(request: QuestionRequest, found: SearchAnswer, passages: readonly Passage[]): Answer {
  const quoted = extractiveAnswer(request.query, passages, allowedLinks(found.results));
  return {
    answer: quoted?.answer ?? null,
    mode: 'extractive',
    citations: withResults(quoted?.citations ?? [], found.results),
    ...found,
    usage: null,
  };
}

function toPassages(results: readonly SearchResult[]): Passage[] {
  return results.map(({ chunkId, text, score }, index) => ({ number: index + 1, chunkId, text, score }));
}

/** Passages in order until the model's budget is spent; the first is always sent, cut if need be. */
function promptFor(model: ChatModel, request: QuestionRequest, results: readonly SearchResult[]) {
  const passages = [];
  let left = model.maxPromptChars;
  for (const [index, { text, title }] of results.entries()) {
    if (index > 0 && text.length > left) break;
    passages.push({ number: index + 1, title, text: text.slice(0, Math.max(left, 0)).toWellFormed() });
    left -= text.length;
  }
  return buildAnswerPrompt(request.query, passages, request.instruction ?? undefined);
}

/** An answer may show no address but those its sources come from. */
function allowedLinks(results: readonly SearchResult[]): { allowedUrls: ReadonlySet<string> } {
  return { allowedUrls: new Set(results.map(({ source }) => source).filter((source) => /^https?:/.test(source))) };
}

function withResults(citations: readonly Citation[], results: readonly SearchResult[]): PassageCitation[] {
  return citations.map((citation) => ({ ...citation, result: results[citation.number - 1]! }));
}
