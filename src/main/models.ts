import type { Config } from '../config/config.ts';
import type { ChatSettings, EmbeddingSettings } from '../providers/index.ts';

export function embeddingSettings(config: Config): EmbeddingSettings {
  return {
    provider: config.embeddingProvider,
    url: config.embeddingUrl,
    model: config.embeddingModel,
    apiKey: config.embeddingApiKey,
    dimensions: config.embeddingDimensions,
    weight: config.embeddingWeight,
    maxChars: config.embeddingMaxChars,
    timeoutMs: config.embeddingTimeoutMs,
    threads: config.embeddingThreads,
  };
}

export function chatSettings(config: Config): ChatSettings {
  return {
    provider: config.chatProvider,
    url: config.chatUrl,
    model: config.chatModel,
    apiKey: config.chatApiKey,
    timeoutMs: config.chatTimeoutMs,
    maxPromptChars: config.chatMaxPromptChars,
  };
}
