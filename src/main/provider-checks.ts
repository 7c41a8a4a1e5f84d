import { type Check, ok, problem, skipped, type Verdict } from '../admin/index.ts';
import type { Config } from '../config/config.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import { createChatModel, createEmbeddingModel } from '../providers/index.ts';
import { chatSettings, embeddingSettings } from './models.ts';

/** Enough for models that think before they answer; what they say is not looked at. */
const MAX_OUTPUT_TOKENS = 64;
const REPAIR = 'Check the URL, the key and the model in the settings, and whether the provider is up.';

/** Asks each model that is called over the network for as little as can be asked: a few tokens. */
export function providerChecks(config: Config): Check[] {
  return [
    { name: 'embedding_provider', run: () => whereSetUp(() => checkEmbedding(config)) },
    { name: 'chat_provider', run: () => whereSetUp(() => checkChat(config)) },
  ];
}

async function whereSetUp(check: () => Promise<Verdict>): Promise<Verdict> {
  try {
    return await check();
  } catch (error) {
    if (hasCode(error, 'config_invalid')) return skipped('It is not set up in a way that can be asked.');
    throw error;
  }
}

async function checkEmbedding(config: Config): Promise<Verdict> {
  if (['none', 'packaged'].includes(config.embeddingProvider)) return skipped('No provider is needed for embedding.');
  const model = createEmbeddingModel(embeddingSettings(config), { maxAttempts: 1 });
  try {
    const asking = model?.embed(['anyrag'], { purpose: 'query' });
    return await verdictOn(asking, `${config.embeddingProvider} answers with vectors.`);
  } finally {
    await model?.close();
  }
}

async function checkChat(config: Config): Promise<Verdict> {
  const model = createChatModel(chatSettings(config), { maxAttempts: 1 });
  if (model === null) return skipped('No chat model is set up.');
  const request = { system: 'Answer with one word.', prompt: 'Hello', maxOutputTokens: MAX_OUTPUT_TOKENS };
  try {
    return await verdictOn(model.generate(request), `${config.chatProvider} answers.`);
  } finally {
    await model.close();
  }
}

async function verdictOn(asking: Promise<unknown> | undefined, detail: string): Promise<Verdict> {
  try {
    await asking;
    return ok(detail);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return problem(error.detail, REPAIR);
  }
}
