import { randomBytes } from 'node:crypto';
import { hashOpaqueToken } from '../access/index.ts';

const MINUTE_MS = 60_000;

/** How long the tokens are good for. */
export const TOKEN_LIFE_MS = {
  verify_email: 24 * 60 * MINUTE_MS,
  reset_by_mail: 30 * MINUTE_MS,
  /** Handed over by a person, which takes longer than a mail. */
  reset_by_link: 24 * 60 * MINUTE_MS,
} as const;

/** 256 random bits; only their hash is stored. */
export function newOneTimeToken(): { token: string; tokenHash: string } {
  const token = randomBytes(32).toString('base64url');
  return { token, tokenHash: hashOpaqueToken(token) };
}
