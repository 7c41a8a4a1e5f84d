import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { createPasswords, type SystemRole } from '../access/index.ts';
import { createUser } from '../accounts/index.ts';
import { toTimestamp } from '../base/timestamps.ts';
import type { Output, Terminal } from '../cli/output.ts';
import { printableLine } from '../cli/printable.ts';
import { readSecretLine, withPrompt } from '../cli/prompt.ts';
import { runProgram } from '../cli/run-program.ts';
import { UsageError } from '../cli/usage-error.ts';
import { assertSchemaCurrent } from '../db/migrate.ts';
import { openDatabase } from '../db/open-database.ts';
import { databaseOptionsOf, MIGRATIONS_DIRECTORY, openSecrets, readConfig } from './platform.ts';
import { terminalOf } from './terminal.ts';

interface CreateOptions {
  role?: SystemRole;
  name?: string;
  passwordStdin?: boolean;
  generatePassword?: boolean;
}

const GENERATED_PASSWORD_BYTES = 18;

/** `anyrag users`: accounts, directly in the database; the way to the first super_admin. */
const terminal = terminalOf(process);
process.exitCode = await runProgram(process.argv.slice(2), terminal, (program, output) => {
  program.name('anyrag users').description('Accounts, made on the machine of the server, which need not run.');
  addCreate(program, output);
});

function addCreate(program: Command, output: Output): void {
  program
    .command('create')
    .description('Makes an account, whatever REGISTRATION says.')
    .argument('<email>')
    .addOption(new Option('--role <role>', 'system role').choices(['super_admin', 'operator', 'auditor']))
    .option('--name <name>', 'as others see the user')
    .addOption(new Option('--password-stdin', 'read the password from standard input').conflicts('generatePassword'))
    .option('--generate-password', 'make a password and show it this once')
    .action((email: string, options: CreateOptions) => create(output, email, options));
}

async function create(output: Output, email: string, options: CreateOptions): Promise<void> {
  const config = readConfig();
  const secrets = await openSecrets(config);
  await mkdir(config.dataDir, { recursive: true, mode: 0o700 });
  const { database: db, warnings } = await openDatabase(databaseOptionsOf(config));
  for (const warning of warnings) output.note(`Note: ${warning}`);
  try {
    await assertSchemaCurrent(db, MIGRATIONS_DIRECTORY);
    const password = await choosePassword(terminal, options);
    const { role = null, name = null } = options;
    const user = await createUser({ db, secrets, passwords: createPasswords() }, { email, password, name, role });
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
  } finally {
    await db.close();
  }
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
