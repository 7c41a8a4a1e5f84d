import { Command, CommanderError } from 'commander';
import { EXIT_CODES } from './exit-codes.ts';
import { failureOf } from './failure.ts';
import { Output, type Terminal } from './output.ts';

/**
 * Runs a command line and answers the exit code of the process. Errors end here: one line on stderr, or with --json the
 * problem as JSON.
 */
export async function runProgram(
  args: readonly string[],
  terminal: Terminal,
  build: (program: Command, output: Output) => void,
): Promise<number> {
  const output = new Output(terminal, wantsJson(args));
  const program = newProgram(terminal);
  build(program, output);
  try {
    const isLeftOut = args.length === 0 && program.commands.length > 0;
    await program.parseAsync(isLeftOut ? ['--help'] : [...args], { from: 'user' });
    return EXIT_CODES[output.exit].code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return EXIT_CODES.ok.code;
    const failure = failureOf(error instanceof CommanderError ? usageError(error) : error);
    // Help that is shown for want of a subcommand says it all.
    if (!(error instanceof CommanderError && error.code === 'commander.help')) output.fail(failure);
    return EXIT_CODES[failure.exit].code;
  }
}

/** Known before the rest is read, since a wrong command line is reported in the same way. */
function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end === -1 ? args : args.slice(0, end)).includes('--json');
}

function newProgram({ stdout, stderr }: Terminal): Command {
  const program = new Command();
  program
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      getOutHelpWidth: () => stdout.columns ?? 80,
      getErrHelpWidth: () => stderr.columns ?? 80,
      // Reported by runProgram, like every other error.
      outputError: () => {},
    })
    .option('--json', 'answer in JSON; errors too, on standard error');
  return program;
}

function usageError(error: CommanderError): CommanderError {
  // A suggestion comes on a line of its own.
  const message = error.message
    .replace(/^error: /, '')
    .replace(/\s*\n/, ' ')
    .replace(/\.$/, '');
  return new CommanderError(error.exitCode, error.code, `${message}; see --help`);
}
