import type { Subject, SystemRole } from '../../access/index.ts';
import { type Database, requireThat } from '../../db/database.ts';
import { joinSql, now, type Row, type Sql, type Statement, sql } from '../../db/sql.ts';
import { isSuperAdmin, mayReceive } from '../groups/queries.ts';
import type { Account, AccountStatus } from './account.ts';

export interface SealedAccount extends Omit<Account, 'email' | 'name'> {
  emailSealed: Uint8Array;
  nameSealed: Uint8Array | null;
}

const ACCOUNT_COLUMNS = sql`u.user_id, u.email_sealed, u.name_sealed, u.status, u.created_at, u.updated_at,
  (SELECT json_group_array(role ORDER BY role) FROM user_roles r WHERE r.user_id = u.user_id) AS roles`;

export function requireSuperAdmin(subject: Subject): Statement {
  return requireThat(isSuperAdmin(subject), 'forbidden');
}

export function requireUser(userId: string): Statement {
  return requireThat(sql`EXISTS (SELECT 1 FROM users WHERE user_id = ${userId} AND status <> 'erased')`, 'not_found');
}

/** Nobody gets power through an account that is disabled, or whose address is only claimed. */
export function requireMayGetRole(userId: string): Statement {
  return requireThat(mayReceive(userId), 'conflict');
}

export interface AccountPage {
  status: AccountStatus | null;
  role: SystemRole | null;
  emailHmac: string | null;
  before: { createdAt: number; userId: string } | null;
  limit: number;
}

/** Newest first. */
export async function selectAccounts(db: Database, page: AccountPage): Promise<SealedAccount[]> {
  const { status, role, emailHmac, before } = page;
  const conditions: Sql[] = [sql`u.status <> 'erased'`];
  if (status !== null) conditions.push(sql`u.status = ${status}`);
  if (role !== null) conditions.push(sql`u.user_id IN (SELECT user_id FROM user_roles WHERE role = ${role})`);
  if (emailHmac !== null) {
    conditions.push(
      sql`u.user_id IN (SELECT user_id FROM user_identifiers WHERE kind = 'email' AND hmac = ${emailHmac})`,
    );
  }
  if (before !== null) conditions.push(sql`(u.created_at, u.user_id) < (${before.createdAt}, ${before.userId})`);
  const rows = await db.query(sql`SELECT ${ACCOUNT_COLUMNS} FROM users u WHERE ${joinSql(conditions, ' AND ')}
    ORDER BY u.created_at DESC, u.user_id DESC LIMIT ${page.limit}`);
  return rows.map(toSealedAccount);
}

export async function selectAccount(db: Database, userId: string): Promise<SealedAccount | null> {
  const rows = await db.query(sql`SELECT ${ACCOUNT_COLUMNS} FROM users u
    WHERE u.user_id = ${userId} AND u.status <> 'erased'`);
  return rows[0] === undefined ? null : toSealedAccount(rows[0]);
}

export function updateName(userId: string, nameSealed: Uint8Array | null): Statement {
  return sql`UPDATE users SET name_sealed = ${nameSealed}, updated_at = ${now} WHERE user_id = ${userId}`;
}

/** Groups that would be left without an admin, at most twenty. */
export async function selectGroupsLedAlone(db: Database, userId: string): Promise<string[]> {
  const rows = await db.query<{ group_id: string }>(sql`SELECT a.group_id FROM lasting_admins a
    WHERE a.user_id = ${userId} AND NOT EXISTS (SELECT 1 FROM lasting_admins o
      WHERE o.group_id = a.group_id AND o.user_id <> a.user_id)
    ORDER BY a.group_id LIMIT 20`);
  return rows.map(({ group_id }) => group_id);
}

function toSealedAccount(row: Row): SealedAccount {
  return {
    userId: row.user_id as string,
    emailSealed: row.email_sealed as Uint8Array,
    nameSealed: row.name_sealed as Uint8Array | null,
    status: row.status as AccountStatus,
    systemRoles: JSON.parse(row.roles as string) as SystemRole[],
    createdAt: row.created_at as number,
    updatedAt: row.updated_at as number,
  };
}
