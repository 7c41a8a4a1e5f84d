import type { Command } from 'commander';
import type { Output } from '../cli/output.ts';
import { printableLine } from '../cli/printable.ts';
import { runProgram } from '../cli/run-program.ts';
import { table } from '../cli/table.ts';
import { type EffectiveSetting, effectiveSettings, toConfig } from '../config/config.ts';
import { SETTINGS } from '../config/settings.ts';
import { AppError } from '../errors/app-error.ts';
import { setUpProblems } from './set-up-problems.ts';
import { terminalOf } from './terminal.ts';

/** `anyrag config check`: what is in effect and whether a start would take it; starts and makes nothing. */
process.exitCode = await runProgram(process.argv.slice(2), terminalOf(process), (program: Command, output) => {
  program.name('anyrag config').description('The configuration.');
  program
    .command('check')
    .description('Checks the configuration and shows every setting with its origin; secrets are not shown.')
    .action(() => check(output));
});

async function check(output: Output): Promise<void> {
  const settings = effectiveSettings(process.env, process.cwd());
  const problems = await setUpProblems(toConfig(settings, process.cwd()));
  if (problems.length > 0) throw new AppError('config_invalid', problems.join(' '));
  const shown = settings.map((setting) => ({ ...setting, value: shownValue(setting) }));
  output.result({ valid: true, settings: shown }, () => {
    const rows = shown.map(({ name, value, origin }) => [name, textOf(value), origin]);
    return `${table(['SETTING', 'VALUE', 'FROM'], rows)}\n\nThe configuration is valid.`;
  });
}

function shownValue({ name, value }: EffectiveSetting): unknown {
  if (value === null) return null;
  if (SETTINGS[name].secret) return '[redacted]';
  return typeof value === 'string' ? withoutCredentials(value) : value;
}

/** The parts of a URL that give access: user, password, and a token in the query. */
function withoutCredentials(text: string): string {
  return text
    .replace(/(:\/\/)[^/@\s]+@/, '$1[redacted]@')
    .replace(/([?&][^=&]*(?:token|key)[^=&]*=)[^&\s]+/gi, '$1[redacted]');
}

function textOf(value: unknown): string | null {
  if (value === null || (Array.isArray(value) && value.length === 0)) return null;
  return printableLine(Array.isArray(value) ? value.join(', ') : String(value));
}
