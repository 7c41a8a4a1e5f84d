export { AUDIT_ACTIONS, AUDIT_TARGETS, type AuditAction, type AuditTarget } from './actions.ts';
export { anonymiseAudit } from './queries.ts';
export { type AuditOptions, recordAudit } from './record.ts';
