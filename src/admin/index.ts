export { type BackUpReport, backUp } from './backup/back-up.ts';
export { type RestoreReport, restoreBackup } from './backup/restore.ts';
export { assertRestoreFinished } from './backup/unfinished-restore.ts';
export { databaseChecks, schemaIsCurrent } from './database-checks.ts';
export { type Deleted, EXPIRING, type Swept, sweepExpired } from './expiry/sweep-expired.ts';
export { fileChecks } from './file-checks.ts';
export { type Check, type Finding, ok, problem, runChecks, skipped, type Verdict } from './finding.ts';
export {
  checkDataDirectory,
  checkDiskSpace,
  checkNodeVersion,
  checkSecret,
  checkSecretOpensData,
  hasAccounts,
} from './host-checks.ts';
export { COUNTED, COUNTED_UP_TO } from './statistics/queries.ts';
export { readStatistics, type Statistics } from './statistics/statistics.ts';
export { checkBackups, checkClock } from './time-checks.ts';
