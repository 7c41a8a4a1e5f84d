import type { ChatModel, ChatRequest, EmbeddingModel } from '../providers/index.ts';
import type { Payer } from './queries.ts';
import { estimateTokens, spendTokens, type TokenMeter } from './token-meter.ts';

/** The model at the cost of the payer: its calls throw `quota_exceeded` as well. One that costs nothing is given back as it is. */
export function meteredEmbedding(model: EmbeddingModel, meter: TokenMeter, payer: Payer): EmbeddingModel {
  if (!model.isMetered) return model;
  return {
    ...model,
    get dimensions() {
      return model.dimensions;
    },
    embed: (texts, options) =>
      spendTokens(meter, payer, estimateTokens(...texts), (onTokens) => model.embed(texts, { ...options, onTokens })),
    close: () => model.close(),
  };
}

/** The same for a model that answers. What it may write is set aside with what it is told. */
export function meteredChat(model: ChatModel, meter: TokenMeter, payer: Payer): ChatModel {
  return {
    ...model,
    async generate(request) {
      return spendTokens(meter, payer, estimateOf(request), async (report) => {
        const answer = await model.generate(request);
        if (answer.usage !== null) report(totalOf(answer.usage));
        return answer;
      });
    },
    async *stream(request) {
      const reservation = await meter.reserve(payer, estimateOf(request));
      let reported: number | null = null;
      let hasBegun = false;
      try {
        for await (const piece of model.stream({ ...request, onUsage: (usage) => (reported = totalOf(usage)) })) {
          hasBegun = true;
          yield piece;
        }
      } finally {
        // A stream that is left or breaks off has cost something, which nobody tells.
        await reservation.settle(reported ?? (hasBegun ? null : 0));
      }
    },
    close: () => model.close(),
  };
}

function totalOf({ inputTokens, outputTokens }: { inputTokens: number; outputTokens: number }): number {
  return inputTokens + outputTokens;
}

function estimateOf({ system, prompt, maxOutputTokens }: ChatRequest): number {
  return estimateTokens(system, prompt) + maxOutputTokens;
}
