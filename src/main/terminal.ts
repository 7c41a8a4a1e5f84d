import type { Terminal } from '../cli/output.ts';

/** The terminal of the process, for commands. A reader that has seen enough (`| head`) ends the process quietly. */
export function terminalOf({ stdin, stdout, stderr, env }: NodeJS.Process): Terminal {
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  const isPlain = env.TERM === 'dumb' || (env.NO_COLOR !== undefined && env.NO_COLOR !== '');
  return { stdin, stdout, stderr, colour: stdout.isTTY === true && !isPlain };
}
