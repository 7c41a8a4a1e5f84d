import { spawn, spawnSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { bareEnvironment, LAUNCHER } from './server.ts';

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `anyrag` with these arguments as a process of its own, with nothing of the developer's environment. */
export async function runCommand(
  args: readonly string[],
  { env = {}, stdin = '', cwd }: { env?: Record<string, string>; stdin?: string; cwd?: string } = {},
): Promise<CommandResult> {
  const child = spawn(LAUNCHER, args, { cwd, env: { ...bareEnvironment(), ...env }, stdio: 'pipe' });
  // A command that does not read its input may be gone before it is written.
  child.stdin.on('error', () => {});
  child.stdin.end(stdin);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve);
    child.once('error', reject);
  });
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, stdout, stderr };
}

/** Runs a command on a terminal of its own; part of util-linux and of BSD. */
const TERMINAL_PROGRAM = 'script';

/** Whether tests that need a terminal can run here. */
export const hasTerminal = spawnSync(TERMINAL_PROGRAM, ['--version']).status === 0;

/** The same on a terminal, by script(1); each answer is typed when its question has appeared. */
export async function runOnTerminal(
  command: string,
  { env = {}, answers = [] }: { env?: Record<string, string>; answers?: readonly (readonly [string, string])[] },
): Promise<{ code: number | null; screen: string }> {
  const child = spawn(TERMINAL_PROGRAM, ['-qec', command, '/dev/null'], {
    env: { ...bareEnvironment(), TERM: 'xterm', ...env },
    stdio: 'pipe',
  });
  let screen = '';
  const left = [...answers];
  let asked = 0;
  child.stdout.on('data', (bytes: Buffer) => {
    screen += bytes.toString();
    const [question, answer] = left[0] ?? [];
    if (question === undefined || !screen.slice(asked).includes(question)) return;
    asked = screen.length;
    left.shift();
    child.stdin.write(`${answer}\r`);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('close', resolve);
    child.once('error', reject);
  });
  return { code, screen };
}
