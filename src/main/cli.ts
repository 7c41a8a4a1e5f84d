import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { runCli } from '../cli/program.ts';
import { terminalOf } from './terminal.ts';

/** `anyrag` with one of the commands that talk to a server. */
const { env } = process;
const packageFile = join(import.meta.dirname, '../../package.json');

process.exitCode = await runCli(process.argv.slice(2), {
  ...terminalOf(process),
  version: JSON.parse(readFileSync(packageFile, 'utf8')).version,
  serverUrl: given(env.ANYRAG_URL),
  apiKey: given(env.ANYRAG_API_KEY),
  configDirectory: configDirectory(),
});

function given(value: string | undefined): string | null {
  return value === undefined || value.trim() === '' ? null : value.trim();
}

/** By the XDG base directory specification, which has relative paths ignored. */
function configDirectory(): string {
  const directory = env.XDG_CONFIG_HOME;
  return directory !== undefined && isAbsolute(directory) ? directory : join(homedir(), '.config');
}
