import type { ChatModel, EmbeddingModel } from './models.ts';
import { connectProvider } from './provider-connection.ts';
import { type RemoteChatSettings, remoteChat } from './remote-chat.ts';
import { type RemoteEmbeddingSettings, remoteEmbedding } from './remote-embedding.ts';

const PROVIDER = 'google';

export const GOOGLE_URL = 'https://generativelanguage.googleapis.com/v1beta';

/** Gemini embeddings; documents and queries are told apart by task type. */
export function createGoogleEmbedding(settings: RemoteEmbeddingSettings & { apiKey: string }): EmbeddingModel {
  const connection = connectProvider(PROVIDER);
  return remoteEmbedding(PROVIDER, settings, connection, async () => {
    const model = (await sdkProvider(settings, connection.fetch)).embeddingModel(settings.model);
    const options = settings.dimensions === null ? {} : { dimensions: settings.dimensions };
    return async (texts, purpose, abortSignal) => {
      const taskType = purpose === 'query' ? 'RETRIEVAL_QUERY' : 'RETRIEVAL_DOCUMENT';
      const providerOptions = { google: { taskType } };
      const { embeddings, usage } = await model.doEmbed({ values: texts, abortSignal, providerOptions, ...options });
      return { rows: embeddings, tokens: usage?.tokens ?? null };
    };
  });
}

export function createGoogleChat(settings: RemoteChatSettings & { apiKey: string }): ChatModel {
  const connection = connectProvider(PROVIDER);
  return remoteChat(PROVIDER, settings, connection, async () =>
    (await sdkProvider(settings, connection.fetch)).chat(settings.model),
  );
}

async function sdkProvider({ url, apiKey }: { url: string; apiKey: string }, fetch: typeof globalThis.fetch) {
  const { createGoogle } = await import('@ai-sdk/google');
  return createGoogle({ baseURL: url, apiKey, fetch });
}
