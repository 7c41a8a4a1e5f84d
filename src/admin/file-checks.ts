import type { Database } from '../db/database.ts';
import { hasCode } from '../errors/app-error.ts';
import type { Storage } from '../storage/index.ts';
import { type Check, ok, problem, type Verdict } from './finding.ts';
import { selectFileKeys } from './queries.ts';

/** A file this young may belong to an upload whose transaction is still to come. */
const SETTLED_MS = 3_600_000;

/** Whether the stored originals and the rows that name them belong together. */
export function fileChecks(db: Database, storage: Storage): Check[] {
  return [
    { name: 'rows_have_files', run: () => checkRowsHaveFiles(db, storage) },
    { name: 'files_have_rows', run: () => checkFilesHaveRows(db, storage) },
  ];
}

async function checkRowsHaveFiles(db: Database, storage: Storage): Promise<Verdict> {
  const present = new Set<string>();
  for await (const { key } of storage.list()) present.add(key);
  const { needed } = await selectFileKeys(db);
  let missing = 0;
  // Looked for again: what was not listed may have been stored since.
  for (const key of needed) if (!present.has(key) && !(await exists(storage, key))) missing++;
  if (missing === 0) return ok(`All ${needed.size} stored originals are there.`);
  return problem(
    `${missing} of ${needed.size} stored originals are gone.`,
    'Restore the files from the backup that belongs to the database; search and answers work without them.',
  );
}

async function exists(storage: Storage, key: string): Promise<boolean> {
  try {
    await storage.withLocalPath(key, async () => {});
    return true;
  } catch (error) {
    if (hasCode(error, 'not_found')) return false;
    throw error;
  }
}

async function checkFilesHaveRows(db: Database, storage: Storage): Promise<Verdict> {
  const settled: string[] = [];
  for await (const { key, storedAt } of storage.list()) if (Date.now() - storedAt > SETTLED_MS) settled.push(key);
  // Read after the files: a row that goes in between would otherwise leave its file without one.
  const { needed, leaving } = await selectFileKeys(db);
  const left = settled.filter((key) => !needed.has(key) && !leaving.has(key));
  if (left.length === 0) return ok('There are no stored originals without a document.');
  return problem(
    `${left.length} stored originals belong to no document, such as ${left[0]}.`,
    'They only take room. Copy them away, check that nothing misses them, and delete them.',
  );
}
