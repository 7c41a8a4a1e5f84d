import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Subject } from '../../../access/index.ts';
import { type Answer, type AnswerDependencies, answerQuestion, streamAnswer } from '../../../answers/index.ts';
import { AppError } from '../../../errors/app-error.ts';
import {
  type SearchFilters,
  type SearchRequest,
  type SearchResult,
  searchHybrid,
  searchKeyword,
  searchVector,
} from '../../../search/index.ts';
import type { App } from '../../app-types.ts';
import { callerGone } from '../../caller-gone.ts';
import { type EventStream, sendEvents } from '../../event-stream.ts';
import { eventStreamContent, problemResponses } from '../../problem-schema.ts';
import { instantToMs } from '../../schemas.ts';
import {
  type Citation,
  KnowledgeAnswer,
  KnowledgeBody,
  type Result,
  SearchAnswer as SearchAnswerSchema,
  SearchBody,
} from './schema.ts';

const MODES = {
  keyword: { search: searchKeyword, summary: 'Passages by the words of the query' },
  vector: { search: searchVector, summary: 'Passages by the meaning of the query' },
  hybrid: { search: searchHybrid, summary: 'Passages by words and meaning together' },
} as const;

export function searchRoutes(app: App, deps: AnswerDependencies): void {
  const access = { config: { access: { kind: 'read', scope: 'search' } as const } };
  const tags = ['search'];

  for (const [mode, { search, summary }] of Object.entries(MODES)) {
    app.post(
      `/search/${mode}`,
      {
        ...access,
        schema: { tags, summary, body: SearchBody, response: { 200: SearchAnswerSchema, ...problemResponses(422) } },
      },
      async (request) => {
        const startedAt = performance.now();
        const answer = await search(deps, toRequest(request.subject, request.body));
        return {
          results: answer.results.map(resultToJson),
          took_ms: tookMs(startedAt),
          ...degradedToJson(answer.degraded),
        };
      },
    );
  }

  app.post(
    '/search/knowledge',
    {
      ...access,
      schema: {
        tags,
        summary: 'An answer with citations',
        description:
          'With `stream: true` or `Accept: text/event-stream` the answer comes as server-sent events: `results`, `delta` (any number), `citations`, then `done` or `error`.',
        body: KnowledgeBody,
        response: { 200: answerResponse(), ...problemResponses(422) },
      },
    },
    async (request, reply) => {
      const startedAt = performance.now();
      const question = toRequest(request.subject, request.body);
      requireKnownModel(deps, request.body.model);
      const instruction = request.body.instruction ?? null;
      if (request.body.stream || accepts(request, 'text/event-stream')) {
        await sendEvents(request, reply, (events) => sendAnswer(deps, events, { ...question, instruction }, startedAt));
        return reply;
      }
      const signal = callerGone(reply);
      return answerToJson(await answerQuestion(deps, { ...question, instruction, signal }), startedAt);
    },
  );
}

function answerResponse() {
  return {
    description: 'The answer, at once or as events',
    content: { 'application/json': { schema: KnowledgeAnswer }, ...eventStreamContent },
  };
}

async function sendAnswer(
  deps: AnswerDependencies,
  { send, signal }: EventStream,
  question: SearchRequest & { instruction: string | null },
  startedAt: number,
): Promise<void> {
  for await (const event of streamAnswer(deps, { ...question, signal })) {
    if (event.kind === 'results') {
      send('results', { results: event.results.map(resultToJson), ...degradedToJson(event.degraded) });
    } else if (event.kind === 'delta') {
      send('delta', { text: event.text });
    } else {
      const { results: _, ...done } = answerToJson(event.answer, startedAt);
      send('citations', { citations: done.citations });
      send('done', done);
    }
  }
}

function requireKnownModel(deps: AnswerDependencies, model: string | undefined): void {
  const configured = deps.chatModel?.id ?? null;
  if (model === undefined || model === configured || configured?.endsWith(`/${model}`)) return;
  throw new AppError('validation_failed', 'body.model: is not the configured chat model', {
    errors: [{ path: 'body.model', message: 'is not the configured chat model' }],
  });
}

function accepts(request: FastifyRequest, mediaType: string): boolean {
  return (request.headers.accept ?? '').split(',').some((range) => range.trim().startsWith(mediaType));
}

function toRequest(subject: Subject, body: z.infer<typeof SearchBody>): SearchRequest {
  return { subject, query: body.query, limit: body.limit, filters: toFilters(body.filters) };
}

function toFilters(filters: z.infer<typeof SearchBody>['filters'] = {}): SearchFilters {
  return {
    documentIds: filters.document_ids,
    groupIds: filters.group_ids,
    tags: filters.tags,
    sourceTypes: filters.source_types,
    createdAfter: filters.created_after === undefined ? undefined : instantToMs(filters.created_after),
    createdBefore: filters.created_before === undefined ? undefined : instantToMs(filters.created_before),
    metadata: filters.metadata,
  };
}

function answerToJson(answer: Answer, startedAt: number): z.infer<typeof KnowledgeAnswer> {
  return {
    answer: answer.answer,
    mode: answer.mode,
    citations: answer.citations.map(({ number, quote, result }) => ({
      number,
      chunk_id: result.chunkId,
      document_id: result.documentId,
      title: result.title,
      location: locationToJson(result.location),
      quote,
    })) satisfies z.infer<typeof Citation>[],
    results: answer.results.map(resultToJson),
    ...degradedToJson(answer.degraded),
    ...(answer.usage && {
      usage: { input_tokens: answer.usage.inputTokens, output_tokens: answer.usage.outputTokens },
    }),
    took_ms: tookMs(startedAt),
  };
}

function resultToJson(result: SearchResult): z.infer<typeof Result> {
  return {
    chunk_id: result.chunkId,
    document_id: result.documentId,
    title: result.title,
    text: result.text,
    score: result.score,
    scores: result.scores,
    location: locationToJson(result.location),
    source: result.source,
  };
}

function locationToJson(location: SearchResult['location']): z.infer<typeof Result>['location'] {
  return {
    ...(location.pageStart !== null && { page_start: location.pageStart }),
    ...(location.pageEnd !== null && { page_end: location.pageEnd }),
    char_start: location.charStart,
    char_end: location.charEnd,
    ...(location.headingPath.length > 0 && { heading_path: location.headingPath }),
  };
}

function degradedToJson<T extends string>(degraded: T[]): { degraded?: T[] } {
  return degraded.length === 0 ? {} : { degraded };
}

function tookMs(startedAt: number): number {
  return Math.round((performance.now() - startedAt) * 10) / 10;
}
