import type { Command } from 'commander';
import { type CliEnvironment, createCli, DEFAULT_SERVER_URL } from './cli.ts';
import { addAsk } from './commands/ask.ts';
import { addDocuments } from './commands/documents.ts';
import { addIngest } from './commands/ingest.ts';
import { addJobs } from './commands/jobs.ts';
import { addLogin } from './commands/login.ts';
import { addLogout } from './commands/logout.ts';
import { addSearch } from './commands/search.ts';
import { EXIT_CODES } from './exit-codes.ts';
import type { Output } from './output.ts';
import { runProgram } from './run-program.ts';

/** The commands that talk to a server over HTTP. Answers the exit code of the process. */
export function runCli(args: readonly string[], environment: CliEnvironment): Promise<number> {
  return runProgram(args, environment, (program, output) => buildProgram(program, output, environment));
}

function buildProgram(program: Command, output: Output, environment: CliEnvironment): void {
  program
    .name('anyrag')
    .description('Documents in, answers with citations out.')
    .version(environment.version)
    .option('--url <url>', `server to talk to (default: ANYRAG_URL, else ${DEFAULT_SERVER_URL})`)
    .addHelpText('after', HELP);
  const cli = createCli(environment, output, () => program.opts<{ url?: string }>().url);
  for (const add of [addLogin, addLogout, addIngest, addAsk, addSearch, addJobs, addDocuments]) add(program, cli);
}

/** Started by the launcher without this program; named here so that one help shows all. */
const LOCAL_COMMANDS = [
  ['up', 'migrate, then run the API and the workers'],
  ['serve', 'run one API process'],
  ['worker', 'run one worker process'],
  ['migrate', 'bring the database to the schema of this version'],
  ['users', 'make, list, disable accounts; system roles; reset links'],
  ['keys', 'list and rotate the keys that sign access tokens'],
  ['backup', 'copy the database and the stored files, also while the server runs'],
  ['restore', 'put a backup into an empty DATA_DIR'],
  ['doctor', 'check the installation and its data'],
  ['config check', 'check the configuration and show what is in effect'],
] as const;

const HELP = `
Commands on the server's machine, which need no running server:
${LOCAL_COMMANDS.map(([name, what]) => `  ${name.padEnd(14)} ${what}`).join('\n')}

Environment:
  ANYRAG_URL      server to talk to
  ANYRAG_API_KEY  key to use instead of the stored sign-in

Exit codes:
${Object.values(EXIT_CODES)
  .map(({ code, meaning }) => `  ${String(code).padEnd(3)} ${meaning}`)
  .join('\n')}
`;
