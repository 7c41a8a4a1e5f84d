export { changeGroupPolicy, readGroupPolicy } from './group-policy.ts';
export { type Finding, PII_KINDS, type PiiCounts, type PiiKind } from './kinds.ts';
export { PII_POLICIES, type PiiPolicy, strictestPolicy } from './policy.ts';
export {
  groupPolicyRank,
  policyOfRank,
  selectDocumentPolicy,
  selectGroupPolicy,
} from './queries.ts';
export { createRedactor, type Redactor } from './redact.ts';
