import type { SignedIn } from '../../../accounts/index.ts';
import { toTimestamp } from '../../../base/timestamps.ts';

/** RFC 6749 §5.1: answers with credentials in them stay out of caches. */
export const NOT_STORED = { 'cache-control': 'no-store' };

/** Three fields of at most 1,024 characters, each escaped by six bytes. Anybody may send this much, to be held in memory. */
export const MAX_CREDENTIALS_BYTES = 32_768;

export function signedInToJson({ user, tokens }: SignedIn) {
  return {
    user: { user_id: user.userId, email: user.email, name: user.name, created_at: toTimestamp(user.createdAt) },
    access_token: tokens.accessToken,
    token_type: 'Bearer' as const,
    expires_in: tokens.expiresInSeconds,
    refresh_token: tokens.refreshToken,
  };
}
