import type { Command } from 'commander';
import type { Output } from '../cli/output.ts';
import { runProgram } from '../cli/run-program.ts';
import { AppError } from '../errors/app-error.ts';
import { terminalOf } from './terminal.ts';

export interface ProcessCommand<Options> {
  /** As it is called: `anyrag <name>`. */
  name: string;
  description: string;
  /** Flags with their explanations, beside `--json` and `--help`. */
  options?: readonly [flags: string, help: string][];
  main(output: Output, options: Options): Promise<void>;
}

/**
 * Runs the command of a process that opens the platform, and ends the process with its exit code. It ends with one sentence
 * when its set-up or its surroundings are wrong, and with a stack in front where the error is ours.
 */
export async function runProcess<Options>(command: ProcessCommand<Options>): Promise<never> {
  const code = await runProgram(process.argv.slice(2), terminalOf(process), (program, output) =>
    describe(program, command).action((options: Options) => command.main(output, options).catch(showStackOfOurs)),
  );
  // Whatever was opened before an error would keep the process alive.
  process.exit(code);
}

function describe<Options>(program: Command, { name, description, options = [] }: ProcessCommand<Options>): Command {
  program.name(`anyrag ${name}`).description(description);
  for (const [flags, help] of options) program.option(flags, help);
  return program;
}

function showStackOfOurs(error: unknown): never {
  if (!(error instanceof AppError) && !isOfSystem(error)) process.stderr.write(`${(error as Error).stack}\n`);
  throw error;
}

/** Such as a port in use or a directory that may not be written: the message says it all. */
function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
