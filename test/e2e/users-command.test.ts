import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

describe('without a server, the operator', () => {
  const users = (...args: string[]) => runCommand(['users', ...args, '--json'], { env });
  const listed = async () => JSON.parse((await users('list')).stdout);

  test('lists accounts with their roles and state', async () => {
    expect(await listed()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ email: 'root@example.org', system_roles: ['super_admin'], status: 'active' }),
        expect.objectContaining({ email: 'a@example.org', name: 'Ada', system_roles: [], email_state: 'assumed' }),
      ]),
    );
  });

  test('grants and revokes system roles, and cannot take the last super_admin', async () => {
    expect(await users('grant', 'A@example.org', 'operator')).toMatchObject({ code: 0 });
    expect(await listed()).toContainEqual(
      expect.objectContaining({ email: 'a@example.org', system_roles: ['operator'] }),
    );
    expect(await users('revoke', 'a@example.org', 'operator')).toMatchObject({ code: 0 });
    expect(await listed()).toContainEqual(expect.objectContaining({ email: 'a@example.org', system_roles: [] }));
    for (const args of [
      ['revoke', 'root@example.org', 'super_admin'],
      ['disable', 'root@example.org'],
    ]) {
      const refused = await users(...args);
      expect([refused.code, JSON.parse(refused.stderr).code]).toEqual([1, 'last_super_admin']);
    }
  });

  test('disables and enables accounts', async () => {
    expect(await users('disable', 'a@example.org')).toMatchObject({ code: 0 });
    expect(await listed()).toContainEqual(expect.objectContaining({ email: 'a@example.org', status: 'disabled' }));
    expect((await runCommand(['users', 'list'], { env })).stdout).toContain('a@example.org (disabled)\n');
    expect(await users('enable', 'a@example.org')).toMatchObject({ code: 0 });
    expect(await listed()).toContainEqual(expect.objectContaining({ email: 'a@example.org', status: 'active' }));
  });

  test('makes a link for a new password', async () => {
    const link = JSON.parse((await users('reset-link', 'a@example.org')).stdout);
    expect(link).toEqual({
      url: `http://127.0.0.1:9090/reset-password#token=${link.token}`,
      token: expect.stringMatching(/^[\w-]{43}$/),
      expires_at: expect.any(String),
    });
    const unknown = await users('reset-link', 'nobody@example.org');
    expect([unknown.code, JSON.parse(unknown.stderr).code]).toEqual([1, 'not_found']);
  });

  test('rotates the keys that sign, and replaces them', async () => {
    const keys = async (...args: string[]) =>
      JSON.parse((await runCommand(['keys', ...args, '--json'], { env })).stdout);
    const [first] = await keys('list');
    expect(await keys('rotate')).toEqual({ published: true });
    expect(await keys('rotate')).toEqual({ published: false });
    expect(await keys('list')).toEqual([first, expect.not.stringMatching(first)]);
    expect(await keys('rotate', '--now')).toEqual({ replaced: true });
    expect(await keys('list')).toEqual([expect.not.stringMatching(first)]);
  });
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

test('an account is erased when that is meant, but not the last super_admin', async () => {
  const create = ['users', 'create', 'gone@example.org', '--password-stdin'];
  expect(await runCommand(create, { env, stdin: `${PASSWORD}\n` })).toMatchObject({ code: 0 });
  const erase = ['users', 'erase', 'gone@example.org'];
  const unsure = await runCommand(erase, { env });
  expect(unsure).toMatchObject({ code: 2, stdout: '' });
  expect(unsure.stderr).toContain('--yes');
  expect(await runCommand([...erase, '--yes', '--json'], { env })).toMatchObject({
    code: 0,
    stdout: '{"erased":true}\n',
  });
  expect((await runCommand(['users', 'list'], { env })).stdout).not.toContain('gone@example.org');
  const last = await runCommand(['users', 'erase', 'root@example.org', '--yes', '--json'], { env });
  expect([last.code, JSON.parse(last.stderr).code]).toEqual([1, 'last_super_admin']);
});
