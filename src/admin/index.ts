export { databaseChecks, schemaIsCurrent } from './database-checks.ts';
export { fileChecks } from './file-checks.ts';
export { type Check, type Finding, ok, problem, runChecks, type Verdict } from './finding.ts';
export {
  checkDataDirectory,
  checkDiskSpace,
  checkNodeVersion,
  checkSecret,
  checkSecretOpensData,
  hasAccounts,
} from './host-checks.ts';
