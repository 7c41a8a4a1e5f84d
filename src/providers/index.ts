import { AppError } from '../errors/app-error.ts';
import { ANTHROPIC_URL, createAnthropicChat } from './anthropic.ts';
import { createGoogleChat, createGoogleEmbedding, GOOGLE_URL } from './google.ts';
import type { ChatModel, EmbeddingModel } from './models.ts';
import { createOpenAiChat, createOpenAiEmbedding } from './openai-compatible.ts';
import { createPackagedEncoder } from './packaged-encoder.ts';

export { measuredChat, measuredEmbedding } from './measured-models.ts';
export type { ChatModel, ChatRequest, ChatUsage, EmbeddingModel } from './models.ts';

export interface EmbeddingSettings {
  provider: 'packaged' | 'openai' | 'google' | 'none';
  /** Base URL; needed for `openai`, which is any server that speaks OpenAI's API. */
  url: string | null;
  model: string | null;
  apiKey: string | null;
  /** Asked of the model where set; null takes what it gives. Without meaning for `packaged`. */
  dimensions: number | null;
  /** Weight in hybrid search, 0..1; null takes the model's default. */
  weight: number | null;
  /** Longest text in UTF-16 code units that the model reads whole; null takes the default. Without meaning for `packaged`. */
  maxChars: number | null;
  /** For one call of the model with its retries. Without meaning for `packaged`. */
  timeoutMs: number;
  /** Of the packaged encoder; null for one less than the cores. */
  threads: number | null;
}

export interface ChatSettings {
  provider: 'none' | 'openai' | 'google' | 'anthropic';
  /** Base URL; needed for `openai`, which is any server that speaks OpenAI's API. */
  url: string | null;
  model: string | null;
  apiKey: string | null;
  /** For a whole answer with its retries; in a stream, for the first piece and then for each next one. */
  timeoutMs: number;
  /** Context budget for the passages, in UTF-16 code units. */
  maxPromptChars: number;
}

export interface CallPolicy {
  /** How often a call is tried within its time; 2 by default. A job that retries by itself passes 1. */
  maxAttempts?: number;
}

const DEFAULT_MAX_ATTEMPTS = 2;

/**
 * The configured embedding model, or null for none. Nothing is loaded, started or connected before its first use.
 * Throws `config_invalid` with a sentence that says which setting to set.
 */
export function createEmbeddingModel(settings: EmbeddingSettings, policy: CallPolicy = {}): EmbeddingModel | null {
  const { provider, threads, weight, dimensions, maxChars, timeoutMs } = settings;
  if (provider === 'none') return null;
  if (provider === 'packaged') return createPackagedEncoder({ threads, weight });
  const { maxAttempts = DEFAULT_MAX_ATTEMPTS } = policy;
  const shared = { dimensions, weight, maxChars, timeoutMs, maxAttempts };
  const check = settingChecks('EMBEDDING', settings);
  if (provider === 'openai') {
    return createOpenAiEmbedding({ ...shared, url: check.url(), model: check.model(), apiKey: settings.apiKey });
  }
  return createGoogleEmbedding({
    ...shared,
    url: check.url(GOOGLE_URL),
    model: check.model(),
    apiKey: check.apiKey(),
  });
}

/**
 * The configured chat model, or null for none. Nothing is loaded or connected before its first use.
 * Throws `config_invalid` with a sentence that says which setting to set.
 */
export function createChatModel(settings: ChatSettings, policy: CallPolicy = {}): ChatModel | null {
  const { provider, timeoutMs, maxPromptChars } = settings;
  if (provider === 'none') return null;
  const { maxAttempts = DEFAULT_MAX_ATTEMPTS } = policy;
  const check = settingChecks('CHAT', settings);
  const shared = { timeoutMs, maxPromptChars, maxAttempts, model: check.model() };
  switch (provider) {
    case 'openai':
      return createOpenAiChat({ ...shared, url: check.url(), apiKey: settings.apiKey });
    case 'google':
      return createGoogleChat({ ...shared, url: check.url(GOOGLE_URL), apiKey: check.apiKey() });
    case 'anthropic':
      return createAnthropicChat({ ...shared, url: check.url(ANTHROPIC_URL), apiKey: check.apiKey() });
  }
}

interface ProviderSettings {
  provider: string;
  url: string | null;
  model: string | null;
  apiKey: string | null;
}

/** Each gives the value of a setting or says which one is missing. A missing key is never looked for in the environment. */
function settingChecks(prefix: 'EMBEDDING' | 'CHAT', settings: ProviderSettings) {
  const because = `because ${prefix}_PROVIDER is ${settings.provider}`;

  function present(value: string | null, name: string, what: string): string {
    if (value !== null && value !== '') return value;
    throw invalid(`Set ${prefix}_${name} to ${what}, ${because}.`);
  }

  function url(fallback?: string): string {
    const example = 'the base URL of the API, such as https://api.openai.com/v1 or http://127.0.0.1:11434/v1';
    const value = present(settings.url ?? fallback ?? null, 'URL', example);
    const parsed = URL.parse(value);
    if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
      throw invalid(`Set ${prefix}_URL to an http or https URL, ${because}.`);
    }
    if (parsed.username !== '' || parsed.password !== '') {
      throw invalid(`Set ${prefix}_URL without a user name or password, and the key as ${prefix}_API_KEY.`);
    }
    return value.replace(/\/+$/, '');
  }

  return {
    url,
    model: () => present(settings.model, 'MODEL', 'the name of the model'),
    apiKey: () => present(settings.apiKey, 'API_KEY', 'the API key'),
  };
}

function invalid(detail: string): AppError {
  return new AppError('config_invalid', detail);
}
