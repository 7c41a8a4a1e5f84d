export {
  ACCOUNT_STATUSES,
  type Account,
  SYSTEM_ROLES,
} from './administration/account.ts';
export {
  type AdministrationDependencies,
  changeAccount,
  grantRole,
  listAccounts,
  readAccount,
  revokeRole,
} from './administration/accounts.ts';
export { type ApiKey, apiKeyToJson } from './api-key.ts';
export { changePassword } from './change-password.ts';
export { createApiKey } from './create-api-key.ts';
export { createUser } from './create-user.ts';
export type { AccountDependencies, InvitedRegistration } from './dependencies.ts';
export { type ErasureStarted, eraseAccount } from './erasure/erase-account.ts';
export {
  deleteExpiredInvitations,
  deleteExpiredMemberships,
  deleteExpiredSessions,
  deleteExpiredShares,
  deleteExpiredTokens,
} from './expiry/queries.ts';
export { type ExportDependencies, exportAccount } from './export/export-account.ts';
export { zipEntries } from './export/zip-entries.ts';
export { GROUP_ROLES, type Group, type Member } from './groups/group.ts';
export { changeGroup, createGroup, listGroups, readGroup, removeGroup } from './groups/groups.ts';
export { addMember, changeMember, listMembers, removeMember } from './groups/members.ts';
export { acceptInvitation, admitInvited } from './invitations/accept-invitation.ts';
export type { Invitation, InvitationDependencies } from './invitations/invitation.ts';
export { invite, listInvitations, revokeInvitation } from './invitations/invite.ts';
export { listApiKeys } from './list-api-keys.ts';
export { login } from './login.ts';
export { createLoginThrottle } from './login-throttle.ts';
export { logout, logoutEverywhere } from './logout.ts';
export { createOidcProvider, type OidcLog, type OidcProvider, type OidcProviderSettings } from './oidc/provider.ts';
export {
  beginLinking,
  beginSignInElsewhere,
  exchangeSignInCode,
  finishSignInElsewhere,
  type OidcDependencies,
} from './oidc/sign-in.ts';
export {
  eraseAccountForOperator,
  listAccountsForOperator,
  resetLinkForOperator,
  setRoleForOperator,
  setStatusForOperator,
} from './operator.ts';
export { me, type Profile } from './profile.ts';
export { refresh } from './refresh.ts';
export { register } from './register.ts';
export { removeApiKey } from './remove-api-key.ts';
export {
  createResetLink,
  type ResetLink,
  requestPasswordReset,
  resetPassword,
} from './reset-password.ts';
export { revokeSigningKeys, rotateSigningKeys } from './rotate-signing-keys.ts';
export type { SignedIn } from './session.ts';
export { GRANTEE_TYPES, SHARED_TYPES, type Share } from './shares/share.ts';
export { endShare, listSharesOfDocument, listSharesWithGroup, shareDocument } from './shares/shares.ts';
export { resendVerification, verifyEmail } from './verify-email.ts';
