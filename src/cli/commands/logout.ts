import type { Command } from 'commander';
import { ProblemError } from '../../client/index.ts';
import type { Cli } from '../cli.ts';

export function addLogout(program: Command, cli: Cli): void {
  program
    .command('logout')
    .summary('end the session and forget it')
    .description('Ends the session on the server and removes its tokens from this machine.')
    .action(() => logout(cli));
}

async function logout(cli: Cli): Promise<void> {
  const server = cli.server();
  const isSignedIn = (await cli.store.read(server)) !== null;
  try {
    if (isSignedIn) await endSession(cli);
  } finally {
    // Whatever the server says: who signs out leaves nothing behind here.
    await cli.store.change(server, async () => null);
  }
  cli.output.result({ server, signed_out: isSignedIn }, () =>
    isSignedIn ? `Signed out of ${server}.` : `Nobody was signed in to ${server}.`,
  );
}

async function endSession(cli: Cli): Promise<void> {
  try {
    await cli.sessionClient().logout();
  } catch (error) {
    const isOver = error instanceof ProblemError && error.problem.status === 401;
    if (!isOver) throw error;
  }
}
