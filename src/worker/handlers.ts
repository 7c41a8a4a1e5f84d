import type { Secrets } from '../access/index.ts';
import {
  ACCOUNT_MAIL,
  accountMailHandler,
  ERASE_ACCOUNTS,
  eraseAccountsHandler,
  SIGN_IN_UPKEEP,
  signInUpkeepHandler,
} from '../accounts/jobs.ts';
import { CHECK_DATA, checkDataHandler, EXPIRE_CONTENT, expireContentHandler } from '../admin/jobs.ts';
import type { Config } from '../config/config.ts';
import type { Database } from '../db/database.ts';
import { deleteFilesHandler } from '../documents/jobs.ts';
import { ingestionRules } from '../ingestion/index.ts';
import {
  createPipeline,
  EMBED_STRETCH,
  embedStretchHandler,
  ingestHandler,
  PARSE_PAGES,
  parsePagesHandler,
  reindexHandler,
} from '../ingestion/jobs.ts';
import { type JobHandler, REDRIVE, redriveHandler } from '../jobs/index.ts';
import { type Mailer, SEND_MAIL } from '../mail/index.ts';
import { sendMailHandler } from '../mail/jobs.ts';
import type { EmbeddingModel } from '../providers/index.ts';
import type { Storage } from '../storage/index.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { MAINTENANCE, maintenanceHandler } from './maintenance.ts';

export interface HandlerDependencies {
  db: Database;
  storage: Storage;
  embeddingModel: EmbeddingModel | null;
  temporaryDirectory: string;
  secrets: Secrets;
  /** Null: no mail is sent. */
  mailer: Mailer | null;
  /** Base URL of the server as its users see it. */
  publicUrl: string;
  /** Undefined: nothing is measured. */
  metrics?: Metrics;
}

/** Every type of job and what runs for it. */
export function createHandlers(deps: HandlerDependencies, config: Config): ReadonlyMap<string, JobHandler> {
  const pipeline = createPipeline(deps, {
    maxBytes: config.maxUploadBytes,
    outboundAllow: config.outboundAllow,
    rules: ingestionRules(config),
    limits: {
      maxPages: config.parseMaxPages,
      maxTextChars: config.parseMaxChars,
      maxExpandedBytes: config.parseMaxExpandedBytes,
    },
    parseTimeoutMs: config.parseTimeoutMs,
    parseMemoryMb: config.parseMemoryMb,
  });
  const retention = { days: config.jobRetentionDays, count: config.jobRetentionCount };
  return new Map<string, JobHandler>([
    ['ingest', ingestHandler(pipeline) as JobHandler],
    [PARSE_PAGES, parsePagesHandler(pipeline) as JobHandler],
    [EMBED_STRETCH, embedStretchHandler(pipeline) as JobHandler],
    ['reindex', reindexHandler(pipeline) as JobHandler],
    ['delete_files', deleteFilesHandler(deps) as JobHandler],
    [SEND_MAIL, sendMailHandler(deps) as JobHandler],
    [ACCOUNT_MAIL, accountMailHandler(deps) as JobHandler],
    [SIGN_IN_UPKEEP, signInUpkeepHandler(deps) as JobHandler],
    [ERASE_ACCOUNTS, eraseAccountsHandler(deps) as JobHandler],
    [REDRIVE, redriveHandler(deps) as JobHandler],
    [EXPIRE_CONTENT, expireContentHandler() as JobHandler],
    [CHECK_DATA, checkDataHandler(deps) as JobHandler],
    [MAINTENANCE, maintenanceHandler(deps, retention) as JobHandler],
  ]);
}
