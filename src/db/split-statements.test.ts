import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { splitStatements, statementVerb } from './split-statements.ts';

describe('splitStatements', () => {
  test.each<[string, string, string[]]>([
    ['nothing', '', []],
    ['blanks, comments and lone semicolons', ' ;; -- a;\n /* b; */ ;', []],
    ['statements without the last semicolon', 'SELECT 1; SELECT 2', ['SELECT 1', 'SELECT 2']],
    ['semicolons in texts', "SELECT ';', 'it''s; so'; SELECT 2", ["SELECT ';', 'it''s; so'", 'SELECT 2']],
    ['semicolons in names', 'SELECT ";", `;`, [;]; SELECT 2', ['SELECT ";", `;`, [;]', 'SELECT 2']],
    ['semicolons in comments', 'SELECT 1 -- ;\n, 2 /* ; */; SELECT 2', ['SELECT 1 -- ;\n, 2 /* ; */', 'SELECT 2']],
    ['quotes in comments', "SELECT 1; -- it's\nSELECT 2", ['SELECT 1', "-- it's\nSELECT 2"]],
    ['comment marks in texts', "SELECT '--'; SELECT '/*'; SELECT 3", ["SELECT '--'", "SELECT '/*'", 'SELECT 3']],
    ['a comment that is not closed', 'SELECT 1; /* SELECT 2;', ['SELECT 1']],
    [
      'CASE outside a trigger',
      'SELECT CASE 1 WHEN 1 THEN 2 END; SELECT 2',
      ['SELECT CASE 1 WHEN 1 THEN 2 END', 'SELECT 2'],
    ],
  ])('handles %s', (_name, script, statements) => {
    expect(splitStatements(script)).toEqual(statements);
  });

  const TRIGGER = `CREATE TRIGGER a AFTER INSERT ON t WHEN new.x IN (SELECT 5)
    BEGIN
      SELECT CASE WHEN new.x = 1 THEN RAISE(ABORT, 'no; END;') END;
      UPDATE t SET x = 1; -- END;
      DELETE FROM "end";
    END`;

  test.each([
    TRIGGER,
    TRIGGER.replace('CREATE TRIGGER', 'create temp trigger if not exists'),
    TRIGGER.replace('CREATE TRIGGER', '/* ; */ CREATE /* x */ TEMPORARY TRIGGER'),
  ])('keeps a trigger in one piece (%#)', (trigger) => {
    expect(splitStatements(`SELECT 1; ${trigger}; SELECT 2;`)).toEqual(['SELECT 1', trigger, 'SELECT 2']);
  });

  test('gives SQLite what it can run', () => {
    const connection = new DatabaseSync(':memory:');
    const script = `CREATE TABLE t (x INTEGER); CREATE TABLE "end" (x); ${TRIGGER}; INSERT INTO t VALUES (5);`;
    for (const statement of splitStatements(script)) connection.prepare(statement).run();
    expect(connection.prepare('SELECT x FROM t').get()).toMatchObject({ x: 1 });
    connection.close();
  });
});

describe('statementVerb', () => {
  test.each([
    ['select 1', 'SELECT'],
    ['  -- INSERT\n /* DELETE */ Update t SET x = 1', 'UPDATE'],
    ['(SELECT 1)', ''],
    ['WITH a AS (DELETE FROM t) SELECT * FROM a', 'SELECT'],
    ['WITH a AS (SELECT 1), b (c) AS (SELECT 2) DELETE FROM t', 'DELETE'],
    ['WITH RECURSIVE a AS NOT MATERIALIZED (SELECT 1) INSERT INTO t SELECT * FROM a', 'INSERT'],
    ['WITH "delete" AS (SELECT 1) SELECT replace(x, 1, 2) FROM "delete"', 'SELECT'],
    ['WITH a AS (SELECT 1)', ''],
    ['', ''],
  ])('of %j is %j', (text, verb) => {
    expect(statementVerb(text)).toBe(verb);
  });
});
