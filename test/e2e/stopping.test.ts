import { onTestFinished, test } from 'vitest';
import { startServer } from '../harness/server.ts';
import { waitUntil } from '../harness/wait-until.ts';
import { isRunning } from '../harness/worker-process.ts';

test('a second SIGTERM to `up` ends all of its processes, also one that hears nothing any more', async () => {
  const server = await startServer();
  onTestFinished(() => server.stop());
  const pidOf = (event: string) => server.log.find((line) => line.event === event)!.pid as number;
  const children = [pidOf('api.listening'), pidOf('worker.ready')];
  onTestFinished(() => {
    for (const pid of children.filter(isRunning)) process.kill(pid, 'SIGKILL');
  });
  process.kill(pidOf('worker.ready'), 'SIGSTOP');

  const stopping = server.next('api.stopping');
  process.kill(server.pid, 'SIGTERM');
  await stopping;
  process.kill(server.pid, 'SIGTERM');

  await waitUntil(() => ![server.pid, ...children].some(isRunning), 'the end of all processes');
});
