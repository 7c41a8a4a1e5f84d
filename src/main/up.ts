import type { Output } from '../cli/output.ts';
import { migrate } from '../db/migrate.ts';
import { untilStopped } from './on-stop.ts';
import { backupDirectory, MIGRATIONS_DIRECTORY, openPlatform, readConfig } from './platform.ts';
import { runProcess } from './run-process.ts';
import { Supervisor } from './supervisor.ts';

interface UpOptions {
  workers?: string;
  port?: string;
  host?: string;
}

/** `anyrag up`: migrates, then keeps one API process and the workers running. */
async function main({ isJson }: Output, options: UpOptions): Promise<void> {
  applyOptions(options);
  const config = readConfig();
  const { db, log } = await openPlatform('up', { isJson, config });
  const { applied } = await migrate(db, MIGRATIONS_DIRECTORY, { backupDir: backupDirectory(config) });
  await db.close();
  if (applied.length > 0) log.info({ event: 'database.migrated', applied }, `applied ${applied.length} migration(s)`);

  const supervisor = new Supervisor({ log, graceMs: config.shutdownGraceMs, options: isJson ? ['--json'] : [] });
  const names = ['api', ...Array.from({ length: config.workers }, () => 'worker')] as const;
  const ready = await Promise.all(names.map((name) => supervisor.start(name as 'api' | 'worker'))).catch(
    async (error) => {
      await supervisor.stop();
      throw error;
    },
  );
  // Whoever reads that it is ready may stop it at once.
  const stopped = untilStopped(() => supervisor.stop(), { atOnce: () => supervisor.kill() });
  const url = ready[0]!.url ?? '';
  const models = `embedding: ${config.embeddingModel ?? config.embeddingProvider}, answers: ${config.chatModel ?? 'quoted sentences'}`;
  const hint = config.chatProvider === 'none' ? '; set CHAT_PROVIDER and CHAT_MODEL for written answers' : '';
  log.info({ event: 'up.ready', url, workers: config.workers }, `anyrag is ready at ${url} (${models}${hint})`);
  await stopped;
}

/** Options on the command line win over the environment, for this process and its children. */
function applyOptions({ workers, port, host }: UpOptions): void {
  if (workers !== undefined) process.env.WORKERS = workers;
  if (port !== undefined) process.env.PORT = port;
  if (host !== undefined) process.env.HOST = host;
}

await runProcess({
  name: 'up',
  description: 'Migrates, then runs one API and the workers, and starts a dead one again, until it is told to stop.',
  options: [
    ['--workers <n>', 'worker processes (default: WORKERS)'],
    ['--port <n>', 'port of the API (default: PORT)'],
    ['--host <address>', 'address the API listens on (default: HOST)'],
  ],
  main,
});
