export { AUDIT_ACTIONS, AUDIT_TARGETS, type AuditAction, type AuditTarget } from './actions.ts';
export { type AuditEntry, type AuditFilter, anonymiseAudit, selectAuditEntries } from './queries.ts';
export { type AuditOptions, recordAudit, recordDenial } from './record.ts';
