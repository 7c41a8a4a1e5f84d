import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { processorMs } from './process-time.ts';

test.skipIf(process.platform !== 'linux')(
  'the time of a process is what it says of itself, and unknown once it has ended',
  async () => {
    const program = `while (process.cpuUsage().user < 300_000); process.stdout.write('done'); setInterval(() => {}, 1_000);`;
    const child = spawn(process.execPath, ['-e', program]);
    await once(child.stdout, 'data');
    const ms = await processorMs(child.pid!);
    child.kill('SIGKILL');
    await once(child, 'exit');

    expect(ms).toBeGreaterThanOrEqual(290);
    expect(await processorMs(child.pid!)).toBeNull();
  },
);
