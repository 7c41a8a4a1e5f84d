export type { ApiKey } from './api-key.ts';
export { changePassword } from './change-password.ts';
export { createApiKey } from './create-api-key.ts';
export { createUser } from './create-user.ts';
export type { AccountDependencies, InvitedRegistration } from './dependencies.ts';
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
export { resendVerification, verifyEmail } from './verify-email.ts';
