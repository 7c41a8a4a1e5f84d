export { ACCESS_TOKEN_SECONDS, issueAccessToken } from './access-tokens.ts';
export { API_KEY_SCOPES, hashOpaqueToken, newApiKey } from './api-keys.ts';
export { authenticate } from './authenticate.ts';
export { credentialStands } from './credential-stands.ts';
export { identityHmacOf, normaliseEmail, userIdOf } from './identity.ts';
export { assertGoodPassword } from './password-policy.ts';
export { createPasswords, type Passwords } from './passwords.ts';
export { requireRecentSignIn } from './queries.ts';
export { jobOrigin, jobSubject } from './resolve-job-subject.ts';
export { isWeakSecret, loadOrCreateSecret } from './secret-file.ts';
export { deriveSecrets, hmacHex, openText, type Secrets, sealText } from './secrets.ts';
export { nextRotationStep, openSigningKeys, replaceSigningKeys, type SigningKeys } from './signing-keys.ts';
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
export { jobMayWrite, levelOnDocument, membershipsOf, roleInGroup, visibleDocuments } from './visibility.ts';
