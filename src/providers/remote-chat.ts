import type { OpenAICompatibleProvider } from '@ai-sdk/openai-compatible';
import { AppError } from '../errors/app-error.ts';
import type { ChatModel, ChatRequest, ChatUsage } from './models.ts';
import { callModel, Deadline } from './provider-call.ts';
import type { ProviderConnection } from './provider-connection.ts';
import { withRetries } from './retry.ts';

export interface RemoteChatSettings {
  url: string;
  model: string;
  apiKey: string | null;
  /** For a whole answer with its retries; in a stream, for the first piece and then for each next one. */
  timeoutMs: number;
  maxPromptChars: number;
  maxAttempts: number;
}

/**
 * A chat model of the SDK, which is one interface for all its providers. Its calls are used directly: the functions of the
 * `ai` package around them retry, log and end a failed stream as if it were whole.
 */
export type SdkChatModel = ReturnType<OpenAICompatibleProvider['chatModel']>;

type SdkAnswer = Awaited<ReturnType<SdkChatModel['doGenerate']>>;
type FinishReason = SdkAnswer['finishReason'];

/** A chat model behind HTTP. `load` makes the SDK's model and is called once, at the first use. */
export function remoteChat(
  provider: string,
  settings: RemoteChatSettings,
  connection: ProviderConnection,
  load: () => Promise<SdkChatModel>,
): ChatModel {
  const { timeoutMs, maxAttempts } = settings;
  let loaded: Promise<SdkChatModel> | undefined;
  const sdkModel = () => {
    loaded ??= load();
    return loaded;
  };

  async function generate(request: ChatRequest): Promise<{ text: string; usage: ChatUsage | null }> {
    const { signal } = request;
    return await withRetries(
      (remainingMs) =>
        callModel({ provider, timeoutMs: remainingMs, signal }, async (stop) => {
          const model = await sdkModel();
          await request.beforeSending?.();
          const answer = await model.doGenerate({ ...callOf(request), abortSignal: stop });
          const text = textOf(answer);
          requireAnswer(provider, text !== '', answer.finishReason);
          return { text, usage: usageOf(answer.usage) };
        }),
      { maxAttempts, timeoutMs, signal },
    );
  }

  async function* stream(request: ChatRequest): AsyncGenerator<string> {
    // Only up to the first piece: what a caller has shown cannot be taken back.
    const { first, pieces } = await withRetries(
      async (remainingMs) => {
        const opened = streamOnce(request, remainingMs);
        return { first: await opened.next(), pieces: opened };
      },
      { maxAttempts, timeoutMs, signal: request.signal },
    );
    try {
      if (first.done !== true) yield first.value;
      yield* pieces;
    } finally {
      await pieces.return(undefined);
    }
  }

  async function* streamOnce(request: ChatRequest, firstPieceMs: number): AsyncGenerator<string, undefined> {
    const deadline = new Deadline({ provider, timeoutMs: firstPieceMs, signal: request.signal });
    try {
      const model = await sdkModel();
      await request.beforeSending?.();
      const { stream: parts } = await model.doStream({ ...callOf(request), abortSignal: deadline.signal });
      let finish: FinishReason | null = null;
      let hasText = false;
      for await (const part of parts) {
        deadline.restart(timeoutMs);
        if (part.type === 'error') throw part.error;
        if (part.type === 'finish') {
          finish = part.finishReason;
          const usage = usageOf(part.usage);
          if (usage !== null) request.onUsage?.(usage);
        }
        if (part.type !== 'text-delta' || part.delta === '') continue;
        hasText = true;
        // The clock is for the provider: a slow reader of the stream does not use it up.
        deadline.pause();
        yield part.delta;
        deadline.restart(timeoutMs);
      }
      requireWholeStream(provider, finish);
      requireAnswer(provider, hasText, finish);
    } catch (error) {
      throw deadline.toError(error, 'provider_unavailable', 'broke off its answer');
    } finally {
      deadline.pause();
    }
  }

  return {
    id: `${provider}/${settings.model}`,
    maxPromptChars: settings.maxPromptChars,
    generate,
    stream,
    close: () => connection.close(),
  };
}

function callOf(request: ChatRequest): Parameters<SdkChatModel['doGenerate']>[0] {
  return {
    prompt: [
      { role: 'system', content: request.system },
      { role: 'user', content: [{ type: 'text', text: request.prompt }] },
    ],
    maxOutputTokens: request.maxOutputTokens,
  };
}

function textOf(answer: SdkAnswer): string {
  return answer.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
}

function usageOf(usage: SdkAnswer['usage']): ChatUsage | null {
  const inputTokens = usage.inputTokens.total;
  const outputTokens = usage.outputTokens.total;
  return inputTokens === undefined || outputTokens === undefined ? null : { inputTokens, outputTokens };
}

/** A connection that closes in good order looks like an end: only the provider's own word for it says it is one. */
function requireWholeStream(provider: string, finish: FinishReason | null): asserts finish is FinishReason {
  if (finish?.raw === undefined || finish.unified === 'interrupted') {
    throw new AppError('provider_unavailable', `The model provider ${provider} broke off its answer.`);
  }
}

function requireAnswer(provider: string, hasText: boolean, finish: FinishReason): void {
  if (finish.unified === 'content-filter') {
    throw new AppError('provider_rejected', `The model provider ${provider} declined to answer.`);
  }
  if (!hasText) throw new AppError('provider_invalid_answer', `The model provider ${provider} gave an empty answer.`);
}
