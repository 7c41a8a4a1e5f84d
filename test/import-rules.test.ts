import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { cruise, type ICruiseResult } from 'dependency-cruiser';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const config = createRequire(import.meta.url)('../.dependency-cruiser.cjs');

/** For each rule the file that breaks it, what that file imports, and that file's own import, where one is needed. */
const OFFENCES: Record<string, Record<string, string[]>> = {
  'no-cycles': { 'src/base/a.ts': ['./b.ts'], 'src/base/b.ts': ['./a.ts'] },
  foundation: { 'src/errors/knows-too-much.ts': ['../jobs/index.ts'] },
  services: { 'src/providers/knows-a-feature.ts': ['../search/index.ts'] },
  features: { 'src/answers/knows-http.ts': ['../http/app.ts'] },
  'delivery-apart': { 'src/http/runs-jobs.ts': ['../worker/job-runner.ts'] },
  'clients-use-the-public-api': { 'src/cli/reads-the-database.ts': ['../db/database.ts'] },
  'front-door-only': { 'src/answers/reaches-in.ts': ['../search/inside.ts'] },
  'handlers-run-in-the-worker': { 'src/http/runs-a-handler.ts': ['../ingestion/jobs.ts'] },
  'api-stays-light': {
    'src/main/api.ts': ['../ingestion/index.ts'],
    'src/ingestion/index.ts': ['./step.ts'],
    'src/ingestion/step.ts': ['./parsers/pdf.ts'],
  },
  'sql-lives-in-queries': { 'src/documents/writes-sql.ts': ['../db/sql.ts'] },
  'no-test-code-in-src': { 'src/base/needs-a-test.ts': ['../../test/harness.ts'] },
  'nothing-imports-main': { 'src/http/starts-everything.ts': ['../main/worker.ts'] },
};

/** What the offences import; harmless by itself. */
const TARGETS = [
  'src/db/database.ts',
  'src/db/sql.ts',
  'src/http/app.ts',
  'src/ingestion/jobs.ts',
  'src/ingestion/parsers/pdf.ts',
  'src/jobs/index.ts',
  'src/main/worker.ts',
  'src/search/index.ts',
  'src/search/inside.ts',
  'src/worker/job-runner.ts',
  'test/harness.ts',
];

describe('import rules', () => {
  let directory: string;
  let violations: { rule: string; from: string }[];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'anyrag-import-rules-'));
    const files = new Map<string, string[]>(TARGETS.map((path) => [path, []]));
    for (const offence of Object.values(OFFENCES)) {
      for (const [path, imports] of Object.entries(offence)) files.set(path, imports);
    }
    for (const [path, imports] of files) await writeModule(join(directory, path), imports);
    violations = await violationsIn(directory);
  });

  afterAll(() => rm(directory, { recursive: true, force: true }));

  for (const [rule, offence] of Object.entries(OFFENCES)) {
    test(`${rule} is broken by a file that breaks it`, () => {
      const from = violations.filter((violation) => violation.rule === rule).map((violation) => violation.from);
      expect(from).toContain(Object.keys(offence)[0]);
    });
  }

  test('every rule has an offence here, but the one about packages, which needs installed ones', () => {
    const rules = config.forbidden.map(({ name }: { name: string }) => name);
    expect(rules.filter((name: string) => name !== 'no-dev-packages-in-src').sort()).toEqual(
      Object.keys(OFFENCES).sort(),
    );
  });
});

async function writeModule(path: string, imports: readonly string[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const lines = imports.map(
    (specifier, index) => `import * as m${index} from '${specifier}';\nconsole.log(m${index});`,
  );
  await writeFile(path, `${lines.join('\n')}\nexport const here = 1;\n`);
}

async function violationsIn(baseDir: string): Promise<{ rule: string; from: string }[]> {
  const { options, ...ruleSet } = config;
  const { tsConfig: _, ...rest } = options;
  const result = await cruise(['src'], { ...rest, baseDir, validate: true, ruleSet });
  const { summary } = result.output as ICruiseResult;
  return summary.violations.map(({ rule, from }) => ({ rule: rule.name, from }));
}
