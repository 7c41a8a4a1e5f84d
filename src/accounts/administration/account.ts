import type { SystemRole } from '../../access/index.ts';

export const ACCOUNT_STATUSES = ['active', 'disabled'] as const;
export type AccountStatus = (typeof ACCOUNT_STATUSES)[number];
export const SYSTEM_ROLES = ['super_admin', 'operator', 'auditor'] as const satisfies SystemRole[];

/** An account as those who run the system see it. Instants are milliseconds by the database's clock. */
export interface Account {
  userId: string;
  email: string;
  name: string | null;
  status: AccountStatus;
  systemRoles: SystemRole[];
  createdAt: number;
  updatedAt: number;
}

export interface AccountFilter {
  readonly status: AccountStatus | null;
  readonly role: SystemRole | null;
  /** The whole address. */
  readonly email: string | null;
}
