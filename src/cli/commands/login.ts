import type { Command } from 'commander';
import type { Cli } from '../cli.ts';
import { readSecretLine, withPrompt } from '../prompt.ts';
import { toStoredLogin } from '../stored-credentials.ts';
import { UsageError } from '../usage-error.ts';

interface LoginOptions {
  email?: string;
  passwordStdin?: boolean;
}

export function addLogin(program: Command, cli: Cli): void {
  program
    .command('login')
    .summary('sign in and remember it')
    .description('Signs in and keeps the tokens in your configuration folder, for each server apart.')
    .option('--email <address>', 'asked for when left out')
    .option('--password-stdin', 'read the password from standard input instead of asking for it')
    .action((options: LoginOptions) => login(cli, options));
}

async function login(cli: Cli, options: LoginOptions): Promise<void> {
  const { output } = cli;
  const server = cli.server();
  if (isExposed(server)) output.note(`Note: ${server} is not encrypted; the password can be read on its way.`);
  const { email, password } = await askForCredentials(cli, options);
  const signedIn = await cli.guestClient().login(email, password);
  await cli.store.change(server, async () => toStoredLogin(signedIn));
  if (cli.environment.apiKey !== null) output.note('Note: ANYRAG_API_KEY is set and goes before this sign-in.');
  output.result({ server, user: signedIn.user }, () => `Signed in to ${server} as ${email}.`);
}

async function askForCredentials(cli: Cli, { email, passwordStdin }: LoginOptions) {
  if (passwordStdin === true) {
    if (email === undefined) throw new UsageError('--password-stdin needs --email');
    return { email, password: await readSecretLine(cli.environment.stdin) };
  }
  const instead = 'there is no terminal to ask on: give --email and --password-stdin';
  return withPrompt(cli.environment, instead, async (prompt) => ({
    email: email ?? (await prompt.line('E-mail: ')),
    password: await prompt.secret('Password: '),
  }));
}

function isExposed(server: string): boolean {
  const { protocol, hostname } = new URL(server);
  return protocol === 'http:' && !/^(localhost|127\..*|\[::1\])$/.test(hostname);
}
