import type { Permission, Scope } from '../access/index.ts';

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
