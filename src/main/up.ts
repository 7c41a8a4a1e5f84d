import { parseArgs } from 'node:util';
import { migrate } from '../db/migrate.ts';
import { AppError } from '../errors/app-error.ts';
import { createLogger } from '../telemetry/logger.ts';
import { untilStopped } from './on-stop.ts';
import { backupDirectory, MIGRATIONS_DIRECTORY, openPlatform, readConfig, runProcess } from './platform.ts';
import { Supervisor } from './supervisor.ts';

/** `anyrag up`: migrates, then keeps one API process and the workers running. */
async function main(): Promise<void> {
  applyOptions();
  const config = readConfig();
  const { db } = await openPlatform('up', config);
  const { applied } = await migrate(db, MIGRATIONS_DIRECTORY, { backupDir: backupDirectory(config) });
  await db.close();
  const log = createLogger({ level: config.logLevel, service: 'up' });
  if (applied.length > 0) log.info({ event: 'database.migrated', applied }, `applied ${applied.length} migration(s)`);

  const supervisor = new Supervisor({ log, graceMs: config.shutdownGraceMs });
  const names = ['api', ...Array.from({ length: config.workers }, () => 'worker')] as const;
  const ready = await Promise.all(names.map((name) => supervisor.start(name as 'api' | 'worker'))).catch(
    async (error) => {
      await supervisor.stop();
      throw error;
    },
  );
  const url = ready[0]!.url ?? '';
  const models = `embedding: ${config.embeddingModel ?? config.embeddingProvider}, answers: ${config.chatModel ?? 'quoted sentences'}`;
  const hint = config.chatProvider === 'none' ? '; set CHAT_PROVIDER and CHAT_MODEL for written answers' : '';
  log.info({ event: 'up.ready', url, workers: config.workers }, `anyrag is ready at ${url} (${models}${hint})`);

  await untilStopped(() => supervisor.stop());
  process.exit(0);
}

/** Options on the command line win over the environment, for this process and its children. */
function applyOptions(): void {
  const options = { workers: { type: 'string' }, port: { type: 'string' }, host: { type: 'string' } } as const;
  try {
    const { values } = parseArgs({ args: process.argv.slice(2), options });
    if (values.workers !== undefined) process.env.WORKERS = values.workers;
    if (values.port !== undefined) process.env.PORT = values.port;
    if (values.host !== undefined) process.env.HOST = values.host;
  } catch (error) {
    throw new AppError(
      'config_invalid',
      `${(error as Error).message} Usage: anyrag up [--workers N] [--port N] [--host ADDRESS]`,
    );
  }
}

await runProcess(main);
