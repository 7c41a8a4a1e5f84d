import type { ChatModel } from './models.ts';
import { connectProvider } from './provider-connection.ts';
import { type RemoteChatSettings, remoteChat } from './remote-chat.ts';

const PROVIDER = 'anthropic';

export const ANTHROPIC_URL = 'https://api.anthropic.com/v1';

export function createAnthropicChat(settings: RemoteChatSettings & { apiKey: string }): ChatModel {
  const connection = connectProvider(PROVIDER);
  return remoteChat(PROVIDER, settings, connection, async () => {
    const { createAnthropic } = await import('@ai-sdk/anthropic');
    const { url, apiKey, model } = settings;
    return createAnthropic({ baseURL: url, apiKey, fetch: connection.fetch })(model);
  });
}
