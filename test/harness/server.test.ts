import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startServer } from './server.ts';

test('a killed API process is started again, and stopping leaves neither process nor data', async () => {
  const server = await startServer({ workers: 0 });
  try {
    const listening = server.next('api.listening');
    const pid = server.kill('api');
    expect((await listening).pid).not.toBe(pid);
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  } finally {
    await server.stop();
  }
  expect(existsSync(server.dataDir)).toBe(false);
  await expect(fetch(`${server.url}/livez`)).rejects.toThrow();
});

test('a server that cannot start says why', async () => {
  await expect(startServer({ env: { EMBEDDING_PROVIDER: 'nonsense' } })).rejects.toThrow('EMBEDDING_PROVIDER');
});
