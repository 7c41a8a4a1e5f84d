import { z } from 'zod';
import { Id, InstantInput, NonBlank } from '../../schemas.ts';
import { SourceType } from '../documents/schema.ts';

const MAX_QUERY_CHARS = 4_000;
/** Each is a condition of its own on every document, and SQLite takes no more than some hundred in one expression. */
const MAX_METADATA_FILTERS = 50;

const Filters = z
  .strictObject({
    document_ids: z.array(Id).max(1_000).optional(),
    group_ids: z.array(Id).max(100).optional(),
    tags: z.array(z.string().min(1).max(100)).max(50).optional(),
    source_types: z.array(SourceType).max(20).optional(),
    created_after: InstantInput.optional(),
    created_before: InstantInput.optional(),
    metadata: z
      .record(z.string().min(1).max(100), z.union([z.string(), z.number(), z.boolean()]))
      .refine((fields) => Object.keys(fields).length <= MAX_METADATA_FILTERS, `at most ${MAX_METADATA_FILTERS} fields`)
      .meta({ maxProperties: MAX_METADATA_FILTERS })
      .optional(),
  })
  .meta({ id: 'SearchFilters' });

const common = {
  query: NonBlank(MAX_QUERY_CHARS),
  limit: z.number().int().min(1).max(50).default(10),
  filters: Filters.optional(),
};

export const SearchBody = z.strictObject(common).meta({ id: 'Search' });
export const KnowledgeBody = z
  .strictObject({
    ...common,
    instruction: NonBlank(2_000).optional(),
    stream: z.boolean().default(false),
    model: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .meta({ description: 'The name of the configured chat model, or nothing' }),
  })
  .meta({ id: 'Question' });

const Location = z
  .object({
    page_start: z.number().int().optional(),
    page_end: z.number().int().optional(),
    char_start: z.number().int(),
    char_end: z.number().int(),
    heading_path: z.array(z.string()).optional(),
  })
  .meta({ id: 'Location', description: 'Offsets count UTF-16 code units of the document’s canonical text' });

export const Result = z
  .object({
    chunk_id: z.string(),
    document_id: z.string(),
    title: z.string(),
    text: z.string(),
    score: z.number(),
    scores: z.object({
      keyword: z.number().optional(),
      vector: z.number().optional(),
      fused: z.number().optional(),
      rerank: z.number().optional(),
    }),
    location: Location,
    source: z.string(),
  })
  .meta({ id: 'SearchResult' });

const Degraded = z.array(z.enum(['vectors_pending', 'embedding_unavailable', 'chat_unavailable'])).optional();

export const SearchAnswer = z
  .object({ results: z.array(Result), took_ms: z.number(), degraded: Degraded })
  .meta({ id: 'SearchAnswer' });

export const Citation = z
  .object({
    number: z.number().int(),
    chunk_id: z.string(),
    document_id: z.string(),
    title: z.string(),
    location: Location,
    quote: z.string(),
  })
  .meta({ id: 'Citation' });

export const KnowledgeAnswer = z
  .object({
    answer: z.string().nullable(),
    mode: z.enum(['llm', 'extractive']),
    citations: z.array(Citation),
    results: z.array(Result),
    degraded: Degraded,
    usage: z.object({ input_tokens: z.number().int(), output_tokens: z.number().int() }).optional(),
    took_ms: z.number(),
  })
  .meta({ id: 'Answer' });
