import { splitStatements, statementVerb } from './split-statements.ts';

const READING = new Set(['SELECT', 'VALUES', 'EXPLAIN']);
// A batch is one transaction: these would end it, nest in it, or cannot run inside one.
const NOT_IN_A_BATCH = new Set('BEGIN COMMIT END ROLLBACK SAVEPOINT RELEASE VACUUM ATTACH DETACH'.split(' '));

/** Throws a `TypeError` unless the text is one statement that may be a step of a batch. */
export function assertBatchStep(text: string): void {
  assertOneStatement(text);
  const verb = statementVerb(text);
  if (NOT_IN_A_BATCH.has(verb)) throw new TypeError(`${verb} cannot be a step of a batch: ${text}`);
}

/**
 * Throws a `TypeError` unless the text is one statement that only reads. The file driver would refuse a write anyway, since
 * its reading connections are read-only; a remote server would run it.
 */
export function assertReads(text: string): void {
  assertOneStatement(text);
  const verb = statementVerb(text);
  if (!READING.has(verb) && !isReadingPragma(verb, text)) throw new TypeError(`query() only reads: ${text}`);
}

/** SQLite compiles the first statement of a text and silently ignores the rest. */
function assertOneStatement(text: string): void {
  if (splitStatements(text).length !== 1) throw new TypeError(`One statement is expected: ${text}`);
}

function isReadingPragma(verb: string, text: string): boolean {
  return verb === 'PRAGMA' && !text.includes('=');
}
