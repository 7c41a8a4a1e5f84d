import { randomBytes } from 'node:crypto';
import { Argument, type Command, Option } from 'commander';
import { createPasswords, type SystemRole } from '../access/index.ts';
import {
  createUser,
  eraseAccountForOperator,
  listAccountsForOperator,
  resetLinkForOperator,
  setRoleForOperator,
  setStatusForOperator,
} from '../accounts/index.ts';
import { toTimestamp } from '../base/timestamps.ts';
import type { Output, Terminal } from '../cli/output.ts';
import { printableLine } from '../cli/printable.ts';
import { readSecretLine, withPrompt } from '../cli/prompt.ts';
import { runProgram } from '../cli/run-program.ts';
import { UsageError } from '../cli/usage-error.ts';
import { type CommandAccess, withDatabase } from './command-database.ts';
import { publicUrlOf } from './sign-in.ts';
import { terminalOf } from './terminal.ts';

interface CreateOptions {
  role?: SystemRole;
  name?: string;
  passwordStdin?: boolean;
  generatePassword?: boolean;
}

const GENERATED_PASSWORD_BYTES = 18;
const SYSTEM_ROLES: SystemRole[] = ['super_admin', 'operator', 'auditor'];
/** More than anybody reads; programs use the API. */
const MAX_LISTED = 10_000;

/** `anyrag users`: accounts, directly in the database; the way to the first super_admin. */
const terminal = terminalOf(process);
process.exitCode = await runProgram(process.argv.slice(2), terminal, (program, output) => {
  program.name('anyrag users').description('Accounts, managed on the machine of the server, which need not run.');
  addCreate(program, output);
  addList(program, output);
  addChanges(program, output);
  addResetLink(program, output);
  addErase(program, output);
});

function addCreate(program: Command, output: Output): void {
  program
    .command('create')
    .alias('add')
    .description('Makes an account, whatever REGISTRATION says.')
    .argument('<email>')
    .addOption(new Option('--role <role>', 'system role').choices(SYSTEM_ROLES))
    .option('--name <name>', 'as others see the user')
    .addOption(new Option('--password-stdin', 'read the password from standard input').conflicts('generatePassword'))
    .option('--generate-password', 'make a password and show it this once')
    .action((email: string, options: CreateOptions) => create(output, email, options));
}

function addList(program: Command, output: Output): void {
  program
    .command('list')
    .description('Shows all accounts, newest first.')
    .action(() =>
      withDatabase(output, async (deps) => {
        const accounts = await listAccountsForOperator(deps, MAX_LISTED);
        const json = accounts.map((account) => ({
          user_id: account.userId,
          email: account.email,
          name: account.name,
          status: account.status,
          email_state: account.emailState,
          system_roles: account.systemRoles,
          created_at: toTimestamp(account.createdAt),
        }));
        output.result(json, () => accounts.map(lineOf).join('\n'));
      }),
    );
}

function lineOf({
  email,
  status,
  emailState,
  systemRoles,
}: Awaited<ReturnType<typeof listAccountsForOperator>>[0]): string {
  const notes = [
    ...systemRoles,
    ...(status === 'disabled' ? [status] : []),
    ...(emailState === 'unproven' ? [emailState] : []),
  ];
  return notes.length === 0 ? printableLine(email) : `${printableLine(email)} (${notes.join(', ')})`;
}

function addChanges(program: Command, output: Output): void {
  const change = (run: (deps: CommandAccess) => Promise<void>, done: string, json: object) =>
    withDatabase(output, async (deps) => {
      await run(deps);
      output.result(json, () => done);
    });
  for (const [command, status, help] of [
    ['disable', 'disabled', 'Ends all sessions of an account and refuses it everywhere.'],
    ['enable', 'active', 'Lets an account that was disabled sign in again.'],
  ] as const) {
    program
      .command(command)
      .description(help)
      .argument('<email>')
      .action((email: string) =>
        change((deps) => setStatusForOperator(deps, email, status), `${printableLine(email)} is ${status}.`, {
          email,
          status,
        }),
      );
  }
  for (const [command, has, help] of [
    ['grant', true, 'Gives an account a system role.'],
    ['revoke', false, 'Takes a system role from an account.'],
  ] as const) {
    program
      .command(command)
      .description(help)
      .argument('<email>')
      .addArgument(new Argument('<role>').choices(SYSTEM_ROLES))
      .action((email: string, role: SystemRole) => {
        const done = `${printableLine(email)} ${has ? 'is' : 'is not'} ${role}${has ? ' now' : ' any more'}.`;
        return change((deps) => setRoleForOperator(deps, email, { role, has }), done, { email, role, has });
      });
  }
}

function addResetLink(program: Command, output: Output): void {
  program
    .command('reset-link')
    .description('Makes a link by which the user can choose a new password once, within a day.')
    .argument('<email>')
    .action((email: string) =>
      withDatabase(output, async ({ config, ...deps }) => {
        const link = await resetLinkForOperator({ ...deps, publicUrl: publicUrlOf(config) }, email);
        const json = { url: link.url, token: link.token, expires_at: toTimestamp(link.expiresAt) };
        output.result(json, () => link.url);
      }),
    );
}

function addErase(program: Command, output: Output): void {
  program
    .command('erase')
    .description('Erases an account and everything tied to it, for good; a worker does the most of it.')
    .argument('<email>')
    .option('--yes', 'it is meant: nothing of it comes back')
    .action((email: string, { yes }: { yes?: boolean }) => {
      if (yes !== true) throw new UsageError('an erasure cannot be undone: give --yes as well');
      return withDatabase(output, async (deps) => {
        await eraseAccountForOperator(deps, email);
        output.result(
          { erased: true },
          () => `${printableLine(email)} is erased; a worker removes what is left of it.`,
        );
      });
    });
}

async function create(output: Output, email: string, options: CreateOptions): Promise<void> {
  await withDatabase(output, async (deps) => {
    const password = await choosePassword(terminal, options);
    const { role = null, name = null } = options;
    const user = await createUser({ ...deps, passwords: createPasswords() }, { email, password, name, role });
    const shown = options.generatePassword === true ? { password } : {};
    const json = {
      user_id: user.userId,
      email: user.email,
      name: user.name,
      role,
      created_at: toTimestamp(user.createdAt),
      ...shown,
    };
    output.result(json, () =>
      [
        `Created ${printableLine(user.email)}${role === null ? '' : ` as ${role}`}.`,
        ...Object.values(shown).map((secret) => `Password: ${secret}`),
      ].join('\n'),
    );
  });
}

async function choosePassword(
  { stdin, stderr }: Terminal,
  { passwordStdin, generatePassword }: CreateOptions,
): Promise<string> {
  if (generatePassword === true) return randomBytes(GENERATED_PASSWORD_BYTES).toString('base64url');
  if (passwordStdin === true) return readSecretLine(stdin);
  const instead = 'there is no terminal to ask on: give --password-stdin or --generate-password';
  return withPrompt({ stdin, stderr }, instead, async (prompt) => {
    const password = await prompt.secret('Password: ');
    if ((await prompt.secret('Again: ')) !== password) throw new UsageError('the two passwords are not the same');
    return password;
  });
}
