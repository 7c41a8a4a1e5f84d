import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { authenticate, createPasswords, openSigningKeys } from '../access/index.ts';
import { admitInvited, createLoginThrottle } from '../accounts/index.ts';
import { Cache } from '../cache/index.ts';
import type { Output } from '../cli/output.ts';
import type { Config } from '../config/config.ts';
import { measuredDatabase } from '../db/measured-database.ts';
import { assertSchemaCurrent } from '../db/migrate.ts';
import { pingDatabase } from '../db/ping.ts';
import { buildApp } from '../http/app.ts';
import { closeGracefully } from '../http/close-gracefully.ts';
import { ingestionRules, outboundRules } from '../ingestion/index.ts';
import { createChatModel, createEmbeddingModel, measuredChat, measuredEmbedding } from '../providers/index.ts';
import { createTokenMeter } from '../quotas/index.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { renderMetrics } from '../telemetry/prometheus.ts';
import { createMetrics, metricsAccessOf } from './metrics.ts';
import { collectorOfSiblings } from './metrics-exchange.ts';
import { addSources } from './metrics-sources.ts';
import { chatSettings, embeddingSettings } from './models.ts';
import { tellParent, untilStopped } from './on-stop.ts';
import { MIGRATIONS_DIRECTORY, openPlatform, openSecrets } from './platform.ts';
import { runProcess } from './run-process.ts';
import { logTrustInAddresses, oidcProvidersOf, publicUrlOf } from './sign-in.ts';

/** One API process: answers requests until it is told to stop. */
async function main({ isJson }: Output): Promise<void> {
  const { config, log, db: opened, storage } = await openPlatform('api', { isJson });
  const metrics = createMetrics(config, log);
  const db = metrics === null ? opened : measuredDatabase(opened, metrics);
  await assertSchemaCurrent(db, MIGRATIONS_DIRECTORY);
  const secrets = await openSecrets(config);
  const keys = await openSigningKeys({ db, secrets });
  const { embeddingModel, chatModel } = createModels(config, metrics);
  const cache = new Cache({ db, log });
  const rules = ingestionRules(config);
  const stopping = new AbortController();
  const siblings = collectorOfSiblings();
  if (metrics !== null) addSources(metrics, { db, cache });
  const app = await buildApp({
    log,
    version: JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')).version,
    access: {
      allowGuestRead: config.allowGuestRead,
      allowGuestIngestion: config.allowGuestIngestion,
      authenticate: (header) => authenticate({ db, secrets, keys, cache, log }, header),
    },
    auth: {
      db,
      secrets,
      keys,
      passwords: createPasswords(),
      throttle: config.rateLimits ? createLoginThrottle(secrets) : null,
      registration: config.registration,
      sendsMail: config.smtpUrl !== null,
      publicUrl: publicUrlOf(config),
      admitInvited: (registration) => admitInvited({ sendsMail: config.smtpUrl !== null }, registration),
      oidcProviders: oidcProvidersOf(config, log),
      oidcReturnUrls: config.oidcReturnUrls,
    },
    answers: {
      db,
      embeddingModel,
      queryVectors: { cache, key: secrets.queryKey },
      chatModel,
      ...(metrics !== null && { metrics }),
      tokens: createTokenMeter(db, rules.quotas),
      onDegraded: (stage, error) =>
        log.warn({ event: 'search.degraded', stage, err: error }, 'a stage was done without'),
      onDroppedCitations: (count) => log.info({ event: 'answers.citations_dropped', count }, 'citations were dropped'),
    },
    storage,
    checks: {
      database: () => pingDatabase(db),
      migrations: () => assertSchemaCurrent(db, MIGRATIONS_DIRECTORY),
    },
    checkUrl: (url) => void outboundRules(config.outboundAllow).check(url),
    maxUploadBytes: config.maxUploadBytes,
    rules,
    ratePerMinute: config.rateLimits ? config.rateLimitPerMinute : null,
    trustProxy: config.trustProxy,
    stopping: stopping.signal,
    ...(metrics !== null && {
      metrics: {
        recorder: metrics,
        export: {
          access: metricsAccessOf(config),
          render: async (format) => {
            const [own, others] = await Promise.all([metrics.snapshot(), siblings()]);
            return renderMetrics([{ process: 'api', metrics: own }, ...others], format);
          },
        },
      },
    }),
  });
  logTrustInAddresses(config, log);
  const url = await app.listen({ host: config.host, port: config.port });
  // Before anybody is told that this process is ready, and may be told to stop in return.
  const stopped = untilStopped(async () => {
    log.info({ event: 'api.stopping' }, 'api stopping');
    stopping.abort();
    await closeGracefully(app, config.shutdownGraceMs * 0.8);
    await Promise.all([embeddingModel?.close(), chatModel?.close(), cache.close()]);
    await db.close();
  });
  log.info({ event: 'api.listening', url }, `listening on ${url}`);
  tellParent({ kind: 'ready', url });
  await stopped;
  log.info({ event: 'api.stopped' }, 'api stopped');
}

function createModels(config: Config, metrics: Metrics | null) {
  const embedding = createEmbeddingModel(embeddingSettings(config));
  const chat = createChatModel(chatSettings(config));
  if (metrics === null) return { embeddingModel: embedding, chatModel: chat };
  return {
    embeddingModel: embedding && measuredEmbedding(embedding, metrics),
    chatModel: chat && measuredChat(chat, metrics),
  };
}

await runProcess({
  name: 'serve',
  description: 'Runs one API process until it is told to stop, on a database that is migrated.',
  main,
});
