// What may import what. Delivery → features → services → foundation; each rule has a test that breaks it
// (test/import-rules.test.ts), since a rule that has never been seen to fail is not to be trusted.
const foundation = 'db|telemetry|config|errors|base';
const services = 'access|audit|jobs|cache|mail|redaction|quotas|providers|storage';
const features = 'accounts|documents|ingestion|search|answers|text-to-sql|admin';
const delivery = 'http|worker|client|cli|mcp';
const under = (folders) => `^src/(${folders})/`;
const isTest = '\\.test\\.ts$';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or a third one is missing.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'foundation',
      comment: 'The foundation knows nothing of the product: it could be lifted into another one.',
      severity: 'error',
      from: { path: under(foundation), pathNot: isTest },
      to: { path: '^src/', pathNot: under(foundation) },
    },
    {
      name: 'services',
      comment: 'A service serves several features and so knows none of them.',
      severity: 'error',
      from: { path: under(services), pathNot: isTest },
      to: { path: `^src/(${features}|${delivery}|main)/` },
    },
    {
      name: 'features',
      comment: 'What the product does must not depend on how it is reached.',
      severity: 'error',
      from: { path: under(features), pathNot: isTest },
      to: { path: `^src/(${delivery}|main)/` },
    },
    {
      name: 'delivery-apart',
      comment: 'The API, the worker and the clients are processes of their own and share features, not each other.',
      severity: 'error',
      from: { path: `^src/(${delivery})/`, pathNot: isTest },
      to: { path: `^src/(${delivery})/`, pathNot: '^src/($1|client)/' },
    },
    {
      name: 'clients-use-the-public-api',
      comment: 'What the command line can do, any program can do over HTTP.',
      severity: 'error',
      from: { path: '^src/(cli|mcp|client)/', pathNot: isTest },
      to: { path: `^src/(${services}|${features}|db|telemetry)/` },
    },
    {
      name: 'front-door-only',
      comment: 'A folder is used through its index.ts (and its jobs.ts by the worker); what lies behind can change.',
      severity: 'error',
      from: { path: '^src/([^/]+)/', pathNot: isTest },
      to: { path: `^src/(${services}|${features})/`, pathNot: ['^src/$1/', '/(index|jobs)\\.ts$'] },
    },
    {
      name: 'handlers-run-in-the-worker',
      comment: 'Long work never runs inside a request: only the worker can reach the handlers.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['^src/worker/', isTest] },
      to: { path: `^src/(${features})/jobs\\.ts$` },
    },
    {
      name: 'api-stays-light',
      comment: 'A parser that hangs or crashes must not be able to take the API with it.',
      severity: 'error',
      from: { path: '^src/main/api\\.ts$' },
      to: { path: '^src/ingestion/(parsers/(?!media-types)|stages/)', reachable: true },
    },
    {
      name: 'sql-lives-in-queries',
      comment: 'All statements of a feature stand in its queries.ts, where the access review reads them.',
      severity: 'error',
      from: { path: '^src/', pathNot: ['/queries\\.ts$', '^src/access/visibility\\.ts$', '^src/db/', isTest] },
      to: { path: '^src/db/sql\\.ts$' },
    },
    {
      name: 'no-test-code-in-src',
      comment: 'What is shipped does not need what proves it.',
      severity: 'error',
      from: { path: '^src/', pathNot: isTest },
      to: { path: '^(test|eval|bench)/|\\.test\\.ts$' },
    },
    {
      name: 'nothing-imports-main',
      comment: 'main/ opens and wires; whoever imports it gets its side effects.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/main/' },
      to: { path: '^src/main/' },
    },
    {
      name: 'no-dev-packages-in-src',
      comment: 'A package that only development installs is missing where it runs.',
      severity: 'error',
      from: { path: '^src/', pathNot: isTest },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'], pathNot: 'node_modules/@types/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'] },
  },
};
