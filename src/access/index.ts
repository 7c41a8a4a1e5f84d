export { ACCESS_TOKEN_SECONDS, type AccessClaims, issueAccessToken } from './access-tokens.ts';
export { API_KEY_SCOPES, hashOpaqueToken, newApiKey } from './api-keys.ts';
export { type AuthenticationDependencies, authenticate } from './authenticate.ts';
export { normaliseEmail, userIdOf } from './identity.ts';
export { assertGoodPassword } from './password-policy.ts';
export { createPasswords, type Passwords } from './passwords.ts';
export { type JobOrigin, jobSubject } from './resolve-job-subject.ts';
export { isWeakSecret, loadOrCreateSecret, type SecretSource } from './secret-file.ts';
export { deriveSecrets, hmacHex, openText, type SealedPlace, type Secrets, sealText } from './secrets.ts';
export { openSigningKeys, type SigningKeys } from './signing-keys.ts';
export {
  guestSubject,
  hasRole,
  LEVELS,
  type Level,
  type Permission,
  type Scope,
  type Subject,
  type SystemRole,
  systemSubject,
} from './subject.ts';
export { jobMayWrite, levelOnDocument, roleInGroup, visibleDocuments } from './visibility.ts';
