import type { Permission, Scope } from '../access/index.ts';
import { toTimestamp, toTimestampOrNull } from '../base/timestamps.ts';

/** An API key as its user sees it; the key itself is shown once, when it is made. Instants are milliseconds. */
export interface ApiKey {
  keyId: string;
  name: string;
  scopes: Scope[];
  /** No right above it, whatever the scopes and its user may; null: no such limit. */
  levelCap: Permission | null;
  /** Only what is shared with this group; null: no such limit. */
  groupId: string | null;
  expiresAt: number | null;
  createdAt: number;
  /** To the minute; null: never. */
  lastUsedAt: number | null;
}

/** As the API and the copy of an account show it. */
export function apiKeyToJson(key: ApiKey) {
  return {
    key_id: key.keyId,
    name: key.name,
    scopes: key.scopes,
    level_cap: key.levelCap,
    group_id: key.groupId,
    created_at: toTimestamp(key.createdAt),
    expires_at: toTimestampOrNull(key.expiresAt),
    last_used_at: toTimestampOrNull(key.lastUsedAt),
  };
}
