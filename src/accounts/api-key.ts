import type { Scope } from '../access/index.ts';

/** An API key as its user sees it; the key itself is shown once, when it is made. Instants are milliseconds. */
export interface ApiKey {
  keyId: string;
  name: string;
  scopes: Scope[];
  expiresAt: number | null;
  createdAt: number;
  /** To the minute; null: never. */
  lastUsedAt: number | null;
}
