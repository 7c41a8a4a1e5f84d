import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hasTerminal, runCommand, runOnTerminal } from '../harness/command.ts';
import { LAUNCHER } from '../harness/server.ts';

const PASSWORD = 'a long pass phrase';
let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anyrag-users-'));
  env = { DATA_DIR: join(folder, 'data') };
  expect(await runCommand(['migrate'], { env })).toMatchObject({ code: 0 });
});
afterAll(() => rm(folder, { recursive: true }));

test('the first super_admin is made without a server, with a password that is shown once', async () => {
  const created = await runCommand(
    ['users', 'create', 'Root@Example.org', '--role', 'super_admin', '--generate-password', '--json'],
    { env },
  );
  expect(created).toMatchObject({ code: 0, stderr: '' });
  const user = JSON.parse(created.stdout);
  expect(user).toMatchObject({
    email: 'root@example.org',
    role: 'super_admin',
    password: expect.stringMatching(/^\S{24}$/),
  });
});

test('a password that was given is not repeated, and an address is taken once', async () => {
  const args = ['users', 'create', 'a@example.org', '--name', 'Ada', '--password-stdin'];
  const created = await runCommand(args, { env, stdin: `${PASSWORD}\n` });
  expect(created).toEqual({ code: 0, stdout: 'Created a@example.org.\n', stderr: '' });
  const again = await runCommand([...args, '--json'], { env, stdin: `${PASSWORD}\n` });
  expect(again).toMatchObject({ code: 1, stdout: '' });
  expect(JSON.parse(again.stderr)).toMatchObject({ code: 'email_taken' });
});

test.each<[string, string[], string, number, string]>([
  ['a weak password', ['b@example.org', '--password-stdin'], 'short\n', 1, 'password: '],
  ['what is no address', ['nonsense', '--password-stdin'], PASSWORD, 1, 'email: '],
  ['an unknown role', ['b@example.org', '--role', 'king'], '', 2, '--role'],
  [
    'two ways to the password',
    ['b@example.org', '--password-stdin', '--generate-password'],
    PASSWORD,
    2,
    'cannot be used',
  ],
  ['nowhere to ask', ['b@example.org'], '', 2, '--password-stdin'],
  ['an empty password', ['b@example.org', '--password-stdin'], '\n', 2, 'first line'],
])('%s is refused', async (_name, args, stdin, code, sentence) => {
  const result = await runCommand(['users', 'create', ...args], { env, stdin });
  expect(result).toMatchObject({ code, stdout: '' });
  expect(result.stderr).toContain(sentence);
});

test('a database that was not migrated is left alone', async () => {
  const result = await runCommand(['users', 'create', 'a@example.org', '--generate-password'], {
    env: { DATA_DIR: join(folder, 'other') },
  });
  expect(result).toMatchObject({ code: 1, stdout: '' });
  expect(result.stderr).toContain('anyrag migrate');
});

test.skipIf(!hasTerminal)('on a terminal the password is asked for twice and not shown', async () => {
  const ask = (again: string, email: string) =>
    runOnTerminal(`${LAUNCHER} users create ${email}`, {
      env,
      answers: [
        ['Password: ', PASSWORD],
        ['Again: ', again],
      ],
    });
  const different = await ask('another phrase', 'c@example.org');
  expect(different.code).toBe(2);
  expect(different.screen).toContain('not the same');
  const same = await ask(PASSWORD, 'c@example.org');
  expect(same.code).toBe(0);
  expect(same.screen).not.toContain(PASSWORD);
});
