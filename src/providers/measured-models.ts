import { AppError } from '../errors/app-error.ts';
import { type Metrics, secondsSince } from '../telemetry/metrics.ts';
import type { ChatModel, ChatUsage, EmbeddingModel } from './models.ts';

interface CallLabels {
  gen_ai_operation_name: 'chat' | 'embeddings';
  gen_ai_provider_name: string;
  gen_ai_request_model: string;
}

/** The model, with each call, its time, its error and its tokens told to `metrics`. */
export function measuredEmbedding(model: EmbeddingModel, metrics: Metrics): EmbeddingModel {
  const labels = labelsOf('embeddings', model.id);
  // Not a copy: its dimensions may be known only after the first call.
  return Object.create(model, {
    embed: {
      value: (texts: readonly string[], options: Parameters<EmbeddingModel['embed']>[1]) => {
        const onTokens = (tokens: number) => {
          metrics.count('gen_ai_client_tokens_total', { ...labels, gen_ai_token_type: 'input' }, tokens);
          options.onTokens?.(tokens);
        };
        return measured(metrics, labels, () => model.embed(texts, { ...options, onTokens }));
      },
    },
  });
}

/** Likewise; a stream is one call, from its first request to its last piece. */
export function measuredChat(model: ChatModel, metrics: Metrics): ChatModel {
  const labels = labelsOf('chat', model.id);

  function noteUsage({ inputTokens, outputTokens }: ChatUsage): void {
    metrics.count('gen_ai_client_tokens_total', { ...labels, gen_ai_token_type: 'input' }, inputTokens);
    metrics.count('gen_ai_client_tokens_total', { ...labels, gen_ai_token_type: 'output' }, outputTokens);
  }

  return {
    ...model,
    async generate(request) {
      const answer = await measured(metrics, labels, () => model.generate(request));
      if (answer.usage !== null) noteUsage(answer.usage);
      return answer;
    },
    async *stream(request) {
      const onUsage = (usage: ChatUsage) => {
        noteUsage(usage);
        request.onUsage?.(usage);
      };
      const startMs = performance.now();
      // Who stops reading a stream ends it before its end.
      let error_type = 'cancelled';
      try {
        yield* model.stream({ ...request, onUsage });
        error_type = '';
      } catch (error) {
        error_type = errorType(error);
        throw error;
      } finally {
        metrics.observe(DURATION, { ...labels, error_type }, secondsSince(startMs));
      }
    },
  };
}

const DURATION = 'gen_ai_client_operation_duration_seconds';

async function measured<T>(metrics: Metrics, labels: CallLabels, call: () => Promise<T>): Promise<T> {
  const startMs = performance.now();
  let error_type = '';
  try {
    return await call();
  } catch (error) {
    error_type = errorType(error);
    throw error;
  } finally {
    metrics.observe(DURATION, { ...labels, error_type }, secondsSince(startMs));
  }
}

function errorType(error: unknown): string {
  if (error instanceof AppError) return error.code;
  return error instanceof Error && error.name === 'AbortError' ? 'cancelled' : 'internal';
}

/** Ids of models are `provider/model`. */
function labelsOf(operation: CallLabels['gen_ai_operation_name'], id: string): CallLabels {
  const slash = id.indexOf('/');
  return {
    gen_ai_operation_name: operation,
    gen_ai_provider_name: id.slice(0, slash),
    gen_ai_request_model: id.slice(slash + 1),
  };
}
