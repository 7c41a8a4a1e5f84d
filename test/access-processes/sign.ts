import { deriveSecrets, issueAccessToken, openSigningKeys } from '../../src/access/index.ts';
import { openFileDatabase } from '../../src/db/file-database.ts';
import { TEST_SECRET } from '../harness/accounts.ts';

// Waits for a line, so that several of these begin together.
const db = await openFileDatabase({ path: process.argv[2]!, durability: 'normal' });
const keys = await openSigningKeys({ db, secrets: deriveSecrets(TEST_SECRET) });
process.stdout.write('ready\n');
process.stdin.once('data', async () => {
  process.stdout.write(`token=${await issueAccessToken(keys, { userId: 'somebody', sessionId: 'session' })}\n`);
  await db.close();
  process.stdin.destroy();
});
