import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { jobSubject, openSigningKeys } from '../access/index.ts';
import type { Config } from '../config/config.ts';
import { measuredDatabase } from '../db/measured-database.ts';
import { assertSchemaCurrent } from '../db/migrate.ts';
import { createEmbeddingModel, measuredEmbedding } from '../providers/index.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createHandlers } from '../worker/handlers.ts';
import type { JobRunDependencies } from '../worker/job-run.ts';
import { embeddingSettings } from './models.ts';
import { MIGRATIONS_DIRECTORY, openPlatform, openSecrets, type Platform } from './platform.ts';
import { mailerOf, publicUrlOf } from './sign-in.ts';

/** What a worker and the processes of its jobs have in common. */
export interface JobPlatform<M extends Metrics> extends Platform {
  runs: JobRunDependencies;
  /** Null where METRICS is off. */
  metrics: M | null;
  close(): Promise<void>;
}

/** A handler that goes on this long after it was told to stop is left behind with its process. */
const ABORT_GRACE_MS = 10_000;

/** Opens what handlers need. Models are loaded by the first job that uses them. */
export async function openJobPlatform<M extends Metrics>(
  output: { isJson: boolean },
  createMetrics: (config: Config, log: Logger) => M | null,
): Promise<JobPlatform<M>> {
  const platform = await openPlatform('worker', output);
  const { config, log, storage } = platform;
  const metrics = createMetrics(config, log);
  const db = metrics === null ? platform.db : measuredDatabase(platform.db, metrics);
  await assertSchemaCurrent(db, MIGRATIONS_DIRECTORY);
  const secrets = await openSecrets(config);
  // Throws under another secret than that of the API: better now than in the middle of a mail.
  await openSigningKeys({ db, secrets });
  const mailer = mailerOf(config);
  const temporaryDirectory = join(config.dataDir, 'tmp');
  await mkdir(temporaryDirectory, { recursive: true, mode: 0o700 });
  // One try per call: the queue tries again, and without holding a slot meanwhile.
  const model = createEmbeddingModel(embeddingSettings(config), { maxAttempts: 1 });
  const embeddingModel = model === null || metrics === null ? model : measuredEmbedding(model, metrics);
  const measuring = metrics === null ? {} : { metrics };
  const runs: JobRunDependencies = {
    db,
    log,
    handlers: createHandlers(
      {
        db,
        storage,
        embeddingModel,
        temporaryDirectory,
        secrets,
        mailer,
        publicUrl: publicUrlOf(config),
        ...measuring,
      },
      config,
    ),
    resolveSubject: (job) => jobSubject({ db }, job),
    jobTimeoutMs: config.jobTimeoutMs,
    abortGraceMs: ABORT_GRACE_MS,
    ...measuring,
  };
  return {
    ...platform,
    runs,
    metrics,
    async close() {
      mailer?.close();
      await embeddingModel?.close();
      await db.close();
    },
  };
}
