import { deriveSecrets } from '../access/index.ts';
import type { Config } from '../config/config.ts';
import { filePathOf } from '../db/open-database.ts';
import { hasCode } from '../errors/app-error.ts';
import { createChatModel, createEmbeddingModel } from '../providers/index.ts';
import { chatSettings, embeddingSettings } from './models.ts';
import { assertSecretFits, databaseOptionsOf, storageDirectory } from './platform.ts';
import { mailerOf, publicUrlOf } from './sign-in.ts';

/** What would stop a start although each setting is valid by itself; checked without opening or making anything. */
export async function setUpProblems(config: Config): Promise<string[]> {
  const checks: (() => unknown)[] = [
    () => config.secretKey !== null && deriveSecrets(config.secretKey),
    () => assertSecretFits(config),
    () => filePathOf(databaseOptionsOf(config).url),
    () => storageDirectory(config),
    () => publicUrlOf(config),
    () => mailerOf(config)?.close(),
    () => createEmbeddingModel(embeddingSettings(config))?.close(),
    () => createChatModel(chatSettings(config))?.close(),
  ];
  const problems: string[] = [];
  for (const check of checks) {
    try {
      await check();
    } catch (error) {
      if (!hasCode(error, 'config_invalid')) throw error;
      problems.push(error.detail);
    }
  }
  return problems;
}
