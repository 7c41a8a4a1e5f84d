import type { Permission } from '../../access/index.ts';

export const SHARED_TYPES = ['document'] as const;
export type SharedType = (typeof SHARED_TYPES)[number];
export const GRANTEE_TYPES = ['user', 'group'] as const;
export type GranteeType = (typeof GRANTEE_TYPES)[number];

export interface Grantee {
  readonly type: GranteeType;
  readonly id: string;
}

/** A right that somebody has on a resource beside its owner. Instants are milliseconds by the database's clock. */
export interface Share {
  shareId: string;
  resourceType: SharedType;
  resourceId: string;
  grantee: Grantee;
  permission: Permission;
  createdAt: number;
  /** Null: never. */
  expiresAt: number | null;
}
