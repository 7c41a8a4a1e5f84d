import { hmacHex, normaliseEmail, type Secrets, userIdOf } from '../access/index.ts';

/**
 * What an account is looked up and counted by: HMAC of the address. What is no address belongs to nobody; it gets an id like
 * any other, so that it does not stand out.
 */
export function accountIdOf(email: string, secrets: Secrets): string {
  const normal = normaliseEmail(email);
  return normal === null ? hmacHex(secrets.throttleKey, email) : userIdOf(normal, secrets);
}
