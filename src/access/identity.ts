import { domainToASCII } from 'node:url';
import { hmacHex, type Secrets } from './secrets.ts';

/** RFC 5321 §4.5.3.1. */
const MAX_ADDRESS_CHARS = 254;
const MAX_LOCAL_PART_CHARS = 64;
const LOCAL_PART = /^[^\s"(),:;<>@[\\\]\p{C}.]+(\.[^\s"(),:;<>@[\\\]\p{C}.]+)*$/u;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The one spelling of an e-mail address: trimmed, NFC, lower case, an international domain in its ASCII form. Null when it is
 * not an address. Lower case also before the @, where providers may tell cases apart but none does; dots and `+tags` are
 * kept, since only some providers ignore them. Applying it twice changes nothing.
 */
export function normaliseEmail(email: string): string | null {
  const address = email.trim().normalize('NFC').toLowerCase().normalize('NFC');
  const at = address.lastIndexOf('@');
  const localPart = address.slice(0, Math.max(at, 0));
  const domain = normaliseDomain(address.slice(at + 1));
  if (domain === null || localPart.length > MAX_LOCAL_PART_CHARS || !LOCAL_PART.test(localPart)) return null;
  const normal = `${localPart}@${domain}`;
  return normal.length > MAX_ADDRESS_CHARS ? null : normal;
}

/**
 * The user id that belongs to a normalised address: 64 hexadecimal digits of HMAC-SHA256. Given at registration and kept
 * since; later only `user_identifiers` says whose an address is.
 */
export function userIdOf(normalisedEmail: string, secrets: Secrets): string {
  return hmacHex(secrets.emailPepper, normalisedEmail);
}

/**
 * What a user is found by who signs in at an identity provider: 64 hexadecimal digits of HMAC-SHA256 over issuer and subject,
 * the two claims that together are never given to somebody else (OpenID Connect Core §2).
 */
export function identityHmacOf({ issuer, subject }: { issuer: string; subject: string }, secrets: Secrets): string {
  return hmacHex(secrets.identityPepper, JSON.stringify([issuer, subject]));
}

function normaliseDomain(domain: string): string | null {
  const labels = domainToASCII(domain).split('.');
  if (!labels.every((label) => LABEL.test(label))) return null;
  // A last label of digits only is (part of) an IP address, not of a name.
  return /^\d+$/.test(labels.at(-1)!) ? null : labels.join('.');
}
