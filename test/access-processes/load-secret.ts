import { loadOrCreateSecret } from '../../src/access/index.ts';

// Waits for a line, so that several of these begin together.
process.stdout.write('ready\n');
process.stdin.once('data', async () => {
  process.stdout.write(`secret=${await loadOrCreateSecret({ value: null, file: process.argv[2]! })}\n`);
  process.stdin.destroy();
});
