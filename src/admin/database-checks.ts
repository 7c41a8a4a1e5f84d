import type { Database } from '../db/database.ts';
import { schemaDifferences } from '../db/expected-schema.ts';
import { schemaState } from '../db/migrate.ts';
import { hasCode } from '../errors/app-error.ts';
import { type Check, ok, problem, skipped, type Verdict } from './finding.ts';
import { INVARIANTS, type Invariant } from './invariants.ts';
import {
  selectEnforcesForeignKeys,
  selectForeignKeyViolations,
  selectJournalMode,
  selectStructuralFaults,
} from './queries.ts';

const RESTORE = 'Stop anyrag and restore the last good backup; keep the damaged file.';
const MAX_FAULTS_SHOWN = 3;

/** Checks of a database that could be opened. Those of its content are left out while the schema is not this version's. */
export function databaseChecks(db: Database, migrationsDirectory: string): Check[] {
  const isReady = () => schemaIsCurrent(db, migrationsDirectory);
  return [
    { name: 'schema', run: () => checkSchema(db, migrationsDirectory) },
    { name: 'schema_objects', run: () => checkSchemaObjects(db, migrationsDirectory) },
    { name: 'journal_mode', run: () => ofFile(db, checkJournalMode) },
    { name: 'foreign_keys', run: () => checkForeignKeys(db) },
    { name: 'structure', run: () => ofFile(db, checkStructure) },
    { name: 'references', run: () => ofFile(db, checkReferences) },
    ...INVARIANTS.map((invariant) => ({
      name: invariant.name,
      run: async () =>
        (await isReady()) ? checkInvariant(db, invariant) : skipped('The schema is not that of this version.'),
    })),
  ];
}

async function checkSchema(db: Database, directory: string): Promise<Verdict> {
  try {
    const { current, latest, pending } = await schemaState(db, directory);
    if (current === latest) return ok(`Schema ${current} is that of this version.`);
    const missing = pending.map(({ version, name }) => `${String(version).padStart(4, '0')}_${name}`).join(', ');
    return problem(`The database has schema ${current}; missing: ${missing}.`, 'Run "anyrag migrate".');
  } catch (error) {
    if (!hasCode(error, 'schema_mismatch')) throw error;
    return problem(error.detail, 'Run the version of anyrag that made the database, or restore a backup.');
  }
}

/** Triggers keep rights, counters and indexes true: one that is gone is not missed until it is too late. */
async function checkSchemaObjects(db: Database, directory: string): Promise<Verdict> {
  if (!(await schemaIsCurrent(db, directory))) return skipped('The schema is not that of this version.');
  const { missing, changed, added } = await schemaDifferences(db, directory);
  const differences = [
    ...missing.map((name) => `${name} is missing`),
    ...changed.map((name) => `${name} was changed`),
    ...added.map((name) => `${name} was added`),
  ];
  if (differences.length === 0) return ok('Tables, indexes, triggers and views are those of the migrations.');
  return problem(`Somebody has changed the schema: ${differences.join(', ')}.`, RESTORE);
}

/** The content can be judged when its tables are there and mean what this version means by them. */
export async function schemaIsCurrent(db: Database, directory: string): Promise<boolean> {
  try {
    const { current, latest } = await schemaState(db, directory);
    return current === latest;
  } catch (error) {
    if (hasCode(error, 'schema_mismatch')) return false;
    throw error;
  }
}

function ofFile(db: Database, check: (db: Database) => Promise<Verdict>): Verdict | Promise<Verdict> {
  return db.path === null ? skipped('The database is behind a server, which looks after this.') : check(db);
}

async function checkJournalMode(db: Database): Promise<Verdict> {
  const mode = await selectJournalMode(db);
  if (mode === 'wal') return ok('The write-ahead log is on.');
  return problem(`The journal mode is ${mode}, not wal.`, 'Move the file to a local disk that is not read-only.');
}

async function checkForeignKeys(db: Database): Promise<Verdict> {
  if (await selectEnforcesForeignKeys(db)) return ok('Foreign keys are enforced.');
  return problem('Foreign keys are not enforced.', 'Switch them on in the database server.');
}

async function checkStructure(db: Database): Promise<Verdict> {
  const faults = await selectStructuralFaults(db);
  if (faults.length === 0) return ok('SQLite finds no damage in the file.');
  const shown = faults.slice(0, MAX_FAULTS_SHOWN).join('; ');
  return problem(`SQLite finds ${faults.length} faults in the file: ${shown}`, RESTORE);
}

async function checkReferences(db: Database): Promise<Verdict> {
  const violations = await selectForeignKeyViolations(db);
  if (violations.length === 0) return ok('Every reference between tables leads somewhere.');
  const shown = violations.map(({ name, n }) => `${n} in ${name}`).join(', ');
  return problem(`References that lead nowhere: ${shown}.`, RESTORE);
}

async function checkInvariant(db: Database, { sql, violation, repair }: Invariant): Promise<Verdict> {
  const [row] = await db.query(sql, { offThread: true });
  return row!.n === 0 ? ok(`There are no ${violation}.`) : problem(`${row!.n} ${violation}.`, repair);
}
