export const GROUP_ROLES = ['admin', 'editor', 'viewer'] as const;
export type GroupRole = (typeof GROUP_ROLES)[number];

/** A group as somebody who may see it sees it. Instants are milliseconds by the database's clock. */
export interface Group {
  groupId: string;
  name: string;
  /** What the caller is there; null for a super_admin who is not in it. */
  role: GroupRole | null;
  createdAt: number;
  updatedAt: number;
}

/** A member as the others see them: the address is nobody else's business. */
export interface Member {
  userId: string;
  name: string | null;
  role: GroupRole;
  createdAt: number;
  /** Null: never. */
  expiresAt: number | null;
}
