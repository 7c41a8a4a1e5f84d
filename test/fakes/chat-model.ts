import type { ChatModel, ChatRequest } from '../../src/providers/models.ts';

export interface FakeChatModel extends ChatModel {
  readonly requests: ChatRequest[];
}

/** A chat model that says these pieces, whatever it is asked; an error among them is thrown in its place. */
export function fakeChatModel(
  pieces: readonly (string | Error)[],
  options: { maxPromptChars?: number } = {},
): FakeChatModel {
  const requests: ChatRequest[] = [];
  async function* stream(request: ChatRequest): AsyncGenerator<string> {
    await request.beforeSending?.();
    requests.push(request);
    for (const piece of pieces) {
      request.signal?.throwIfAborted();
      if (piece instanceof Error) throw piece;
      yield piece;
    }
  }
  return {
    id: 'fake:chat',
    maxPromptChars: options.maxPromptChars ?? 24_000,
    requests,
    async generate(request) {
      let text = '';
      for await (const piece of stream(request)) text += piece;
      return { text, usage: { inputTokens: 11, outputTokens: 7 } };
    },
    stream,
    async close() {},
  };
}
