import { setTimeout as sleep } from 'node:timers/promises';
import { authenticate, deriveSecrets, levelOnDocument, openSigningKeys, type Subject } from '../../src/access/index.ts';
import { Cache } from '../../src/cache/index.ts';
import { openFileDatabase } from '../../src/db/file-database.ts';
import { sql } from '../../src/db/sql.ts';
import { hasCode } from '../../src/errors/app-error.ts';
import { TEST_SECRET } from '../harness/accounts.ts';

// Asks again and again what one user may do with one document, while another process gives and takes it. What it finds is
// held against the row in `race`, which the other one changes in the transaction of the right: a right that is found by a
// statement after that row has said it is gone is stale.

const [path, token, documentId, name] = process.argv.slice(2) as [string, string, string, string];
const CHECKS_AFTER_A_CHANGE = 3;

const db = await openFileDatabase({ path, durability: 'normal' });
const cache = new Cache({ db, log: { warn: (_, message) => process.stderr.write(`${message}\n`) } });
const dependencies = {
  db,
  cache,
  secrets: deriveSecrets(TEST_SECRET),
  keys: await openSigningKeys({ db, secrets: deriveSecrets(TEST_SECRET) }),
};
const counts = { stale: 0, denied: 0, checks: 0, warm: 0 };

interface Mark {
  round: number;
  allowed: number;
}

async function mark(): Promise<Mark> {
  const [row] = await db.query<{ round: number; allowed: number }>(sql`SELECT round, allowed FROM race`);
  return row!;
}

async function signIn(): Promise<Subject | null> {
  try {
    return await authenticate(dependencies, `Bearer ${token}`);
  } catch (error) {
    if (hasCode(error, 'invalid_credentials')) return null;
    throw error;
  }
}

async function levelOf(subject: Subject | null): Promise<number> {
  if (subject === null) return 0;
  const [row] = await db.query<{ level: number }>(sql`SELECT ${levelOnDocument(subject, documentId)} AS level`);
  return row!.level;
}

process.stdout.write('ready\n');
let held: Subject | null = null;
let seen: Mark = { round: -1, allowed: -1 };
let checksSince = 0;
for (;;) {
  const before = await mark();
  if (before.round < 0) break;
  const subject = await signIn();
  const now = await mark();
  const levels = [await levelOf(subject), await levelOf(held)];
  const after = await mark();
  const isSame = before.round === after.round && before.allowed === after.allowed;
  counts.checks += 2;
  // The right may have been given back between the two statements, so only what no later row allows is stale.
  for (const level of levels) if (level > Math.max(now.allowed, after.allowed)) counts.stale++;
  if (isSame && levels[0]! < now.allowed) counts.denied++;
  if (subject !== null) held = subject;
  if (!isSame) continue;
  checksSince = seen.round === now.round && seen.allowed === now.allowed ? checksSince + 1 : 1;
  seen = now;
  if (checksSince === CHECKS_AFTER_A_CHANGE) {
    await db.batch([
      sql`INSERT INTO race_seen (round, allowed, reader) VALUES (${now.round}, ${now.allowed}, ${name})`,
    ]);
  }
  if (checksSince > CHECKS_AFTER_A_CHANGE) await sleep(0);
}
counts.warm = cache.counts().rights.memoryHits;
await cache.close();
await db.close();
process.stdout.write(`counts=${JSON.stringify(counts)}\n`);
