import { AppError } from '../errors/app-error.ts';
import type { ChatModel, EmbeddingModel } from './models.ts';
import { connectProvider } from './provider-connection.ts';
import { type RemoteChatSettings, remoteChat } from './remote-chat.ts';
import { type RemoteEmbeddingSettings, remoteEmbedding } from './remote-embedding.ts';

const PROVIDER = 'openai';

/** Embeddings of any server that speaks `POST {url}/embeddings` as OpenAI does. */
export function createOpenAiEmbedding(settings: RemoteEmbeddingSettings): EmbeddingModel {
  const connection = connectProvider(PROVIDER, inAskedOrder);
  return remoteEmbedding(PROVIDER, settings, connection, async () => {
    const model = (await sdkProvider(settings, connection.fetch)).embeddingModel(settings.model);
    const options = settings.dimensions === null ? {} : { dimensions: settings.dimensions };
    return async (texts, _purpose, abortSignal) => {
      const { embeddings, usage } = await model.doEmbed({ values: texts, abortSignal, ...options });
      return { rows: embeddings, tokens: usage?.tokens ?? null };
    };
  });
}

/** Answers of any server that speaks `POST {url}/chat/completions` as OpenAI does. */
export function createOpenAiChat(settings: RemoteChatSettings): ChatModel {
  const connection = connectProvider(PROVIDER);
  return remoteChat(PROVIDER, settings, connection, async () =>
    (await sdkProvider(settings, connection.fetch)).chatModel(settings.model),
  );
}

/**
 * The rows of an embeddings answer by their `index`. The SDK takes them as they come, and a server may send them in the
 * order in which they were done: each text would get another's vector. Throws `provider_invalid_answer` where the
 * indexes are not 0, 1, 2 …; an answer without indexes is in order by convention.
 */
export function inAskedOrder(body: unknown): unknown {
  if (!hasIndexedRows(body)) return body;
  const data = body.data.toSorted((a, b) => a.index - b.index);
  if (data.some((row, at) => row.index !== at)) {
    throw new AppError('provider_invalid_answer', `The model provider ${PROVIDER} numbered its vectors wrongly.`);
  }
  return { ...body, data };
}

function hasIndexedRows(body: unknown): body is { data: { index: number }[] } {
  if (typeof body !== 'object' || body === null || !('data' in body) || !Array.isArray(body.data)) return false;
  return body.data.every((row: unknown) => typeof row === 'object' && row !== null && 'index' in row);
}

async function sdkProvider({ url, apiKey }: { url: string; apiKey: string | null }, fetch: typeof globalThis.fetch) {
  const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
  return createOpenAICompatible({
    name: PROVIDER,
    baseURL: url,
    ...(apiKey === null ? {} : { apiKey }),
    fetch,
    transformRequestBody: (body) => (isOpenAi(url) ? withCompletionTokens(body) : body),
  });
}

function isOpenAi(url: string): boolean {
  return new URL(url).hostname === 'api.openai.com';
}

/** OpenAI's reasoning models refuse `max_tokens`; most compatible servers know nothing else. */
export function withCompletionTokens({ max_tokens, ...body }: Record<string, unknown>): Record<string, unknown> {
  return max_tokens === undefined ? body : { ...body, max_completion_tokens: max_tokens };
}
