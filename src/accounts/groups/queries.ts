import { hasRole, membershipsOf, roleInGroup, type Subject } from '../../access/index.ts';
import { type Database, requireThat } from '../../db/database.ts';
import { joinSql, now, type Row, type Sql, type Statement, sql } from '../../db/sql.ts';
import type { Group, GroupRole, Member } from './group.ts';

export const isLive = sql`(m.expires_at IS NULL OR m.expires_at > ${now})`;

/** Whether the user can be given anything: there, not disabled, and not merely claiming an address. */
export function mayReceive(userId: Sql | string): Sql {
  const id = typeof userId === 'string' ? sql`${userId}` : userId;
  return sql`EXISTS (SELECT 1 FROM users WHERE user_id = ${id} AND status = 'active' AND email_state <> 'unproven')`;
}

export function requireMayReceive(userId: string): Statement {
  return requireThat(mayReceive(userId), 'not_found');
}

function isActive(subject: Subject): Sql {
  return sql`EXISTS (SELECT 1 FROM users WHERE user_id = ${subject.userId} AND status = 'active')`;
}

/** As of this statement: the role may have been revoked since the request was let in. */
export function isSuperAdmin(subject: Subject): Sql {
  if (!hasRole(subject, 'super_admin')) return sql`0`;
  return sql`(EXISTS (SELECT 1 FROM user_roles WHERE user_id = ${subject.userId} AND role = 'super_admin')
    AND ${isActive(subject)})`;
}

/** 404 for who is not in the group, 403 for who is there in another role. `orElse` lets others in as well. */
export function requireGroupRole(
  subject: Subject,
  groupId: string,
  roles: readonly GroupRole[],
  orElse: Sql = sql`0`,
): Statement[] {
  const role = sql`(SELECT ${roleInGroup(subject, groupId)} WHERE ${isActive(subject)})`;
  return [
    requireThat(sql`${orElse} OR ${role} IS NOT NULL`, 'not_found'),
    requireThat(sql`${orElse} OR ${role} IN (SELECT value FROM json_each(${JSON.stringify(roles)}))`, 'forbidden'),
  ];
}

/** An account whose address nobody has shown to be theirs gets into no group, its own included. */
export function requireProven(subject: Subject): Statement {
  return requireThat(
    sql`EXISTS (SELECT 1 FROM users WHERE user_id = ${subject.userId} AND email_state <> 'unproven')`,
    'email_unproven',
  );
}

export function requireGroup(groupId: string): Statement {
  return requireThat(sql`EXISTS (SELECT 1 FROM groups WHERE group_id = ${groupId})`, 'not_found');
}

// Groups

export function insertGroup(groupId: string, name: string): Statement {
  return sql`INSERT INTO groups (group_id, name, created_at, updated_at) VALUES (${groupId}, ${name}, ${now}, ${now})`;
}

export function renameGroup(groupId: string, name: string): Statement {
  return sql`UPDATE groups SET name = ${name}, updated_at = ${now} WHERE group_id = ${groupId} AND name <> ${name}`;
}

/** Memberships, invitations and what is shared with the group go with it; documents stay with their owners. */
export function deleteGroup(groupId: string): Statement {
  return sql`DELETE FROM groups WHERE group_id = ${groupId}`;
}

/** The caller's own, newest first: ids sort by creation. */
export async function selectGroups(
  db: Database,
  subject: Subject,
  page: { beforeId: string | null; limit: number },
): Promise<Group[]> {
  const older = page.beforeId === null ? sql`1` : sql`g.group_id < ${page.beforeId}`;
  const rows = await db.query(sql`SELECT g.*, m.role FROM (${membershipsOf(subject)}) m
    JOIN groups g ON g.group_id = m.group_id
    WHERE ${older} AND ${isActive(subject)} ORDER BY g.group_id DESC LIMIT ${page.limit}`);
  return rows.map(toGroup);
}

export async function selectGroup(db: Database, subject: Subject, groupId: string): Promise<Group | null> {
  const rows = await db.query(sql`SELECT * FROM (SELECT g.*, ${roleInGroup(subject, groupId)} AS role
    FROM groups g WHERE g.group_id = ${groupId} AND ${isActive(subject)}) WHERE role IS NOT NULL OR ${isSuperAdmin(subject)}`);
  return rows[0] === undefined ? null : toGroup(rows[0]);
}

// Members

/** Expired ones are not there any more, swept or not. By when they came. */
export async function selectMembers(
  db: Database,
  groupId: string,
  page: { after: { createdAt: number; userId: string } | null; limit: number },
): Promise<SealedMember[]> {
  const { after } = page;
  const later = after === null ? sql`1` : sql`(m.created_at, m.user_id) > (${after.createdAt}, ${after.userId})`;
  const rows = await db.query(sql`SELECT m.user_id, m.role, m.created_at, m.expires_at, u.name_sealed
    FROM group_memberships m JOIN users u ON u.user_id = m.user_id
    WHERE m.group_id = ${groupId} AND ${isLive} AND ${later}
    ORDER BY m.created_at, m.user_id LIMIT ${page.limit}`);
  return rows.map(toSealedMember);
}

export async function selectMember(db: Database, groupId: string, userId: string): Promise<SealedMember | null> {
  const rows = await db.query(sql`SELECT m.user_id, m.role, m.created_at, m.expires_at, u.name_sealed
    FROM group_memberships m JOIN users u ON u.user_id = m.user_id
    WHERE m.group_id = ${groupId} AND m.user_id = ${userId} AND ${isLive}`);
  return rows[0] === undefined ? null : toSealedMember(rows[0]);
}

export interface SealedMember extends Omit<Member, 'name'> {
  nameSealed: Uint8Array | null;
}

/** Who can be added by an address right away; null for nobody, the disabled and the unproven. */
export async function selectReceiverByEmail(db: Database, emailHmac: string): Promise<string | null> {
  const rows = await db.query<{ user_id: string }>(sql`SELECT i.user_id FROM user_identifiers i
    WHERE i.kind = 'email' AND i.hmac = ${emailHmac} AND ${mayReceive(sql`i.user_id`)}`);
  return rows[0]?.user_id ?? null;
}

function hasMember(groupId: string, userId: string): Sql {
  return sql`EXISTS (SELECT 1 FROM group_memberships m
    WHERE m.group_id = ${groupId} AND m.user_id = ${userId} AND ${isLive})`;
}

export function requireMember(groupId: string, userId: string): Statement {
  return requireThat(hasMember(groupId, userId), 'not_found');
}

export function requireNoMember(groupId: string, userId: string): Statement {
  return requireThat(sql`NOT ${hasMember(groupId, userId)}`, 'conflict');
}

export interface NewMembership {
  groupId: string;
  userId: string;
  role: GroupRole;
  expiresAt: number | null;
}

/** A membership that has expired makes room for the new one. */
export function insertMembership({ groupId, userId, role, expiresAt }: NewMembership): Statement[] {
  return [
    sql`DELETE FROM group_memberships WHERE group_id = ${groupId} AND user_id = ${userId} AND expires_at <= ${now}`,
    sql`INSERT INTO group_memberships (group_id, user_id, role, expires_at, created_at, updated_at)
      VALUES (${groupId}, ${userId}, ${role}, ${expiresAt}, ${now}, ${now})`,
  ];
}

export interface MembershipChange {
  role?: GroupRole | undefined;
  /** Null: no end. */
  expiresAt?: number | null | undefined;
}

export function updateMembership(groupId: string, userId: string, change: MembershipChange): Statement {
  const sets: Sql[] = [sql`updated_at = ${now}`];
  if (change.role !== undefined) sets.push(sql`role = ${change.role}`);
  if (change.expiresAt !== undefined) sets.push(sql`expires_at = ${change.expiresAt}`);
  return sql`UPDATE group_memberships SET ${joinSql(sets, ', ')} WHERE group_id = ${groupId} AND user_id = ${userId}`;
}

export function deleteMembership(groupId: string, userId: string): Statement {
  return sql`DELETE FROM group_memberships WHERE group_id = ${groupId} AND user_id = ${userId}`;
}

/**
 * Whoever is an admin for a while neither lengthens that nor makes others admins for longer: their end would be none. `userId`
 * is the member who is added or changed, null for somebody who is invited; to be run before the change.
 */
export function requireLastsNoLonger(
  subject: Subject,
  groupId: string,
  { userId, role, expiresAt }: MembershipChange & { userId: string | null },
): Statement {
  const asIs = (column: Sql) =>
    sql`(SELECT ${column} FROM group_memberships WHERE group_id = ${groupId} AND user_id = ${userId})`;
  const isAbout = userId === subject.userId ? sql`1` : sql`coalesce(${role ?? null}, ${asIs(sql`role`)}) = 'admin'`;
  const end = expiresAt === undefined ? asIs(sql`expires_at`) : sql`${expiresAt}`;
  return requireThat(
    sql`NOT EXISTS (SELECT 1 FROM group_memberships m WHERE m.group_id = ${groupId} AND m.user_id = ${subject.userId}
      AND m.expires_at IS NOT NULL AND ${isAbout} AND (${end} IS NULL OR ${end} > m.expires_at))`,
    'forbidden',
  );
}

/** Whoever ends something sooner removes it; an end that has passed already is a mistake. */
export function requireFutureEnd(instantMs: number | null | undefined): Statement[] {
  return instantMs == null ? [] : [requireThat(sql`${instantMs} > ${now}`, 'expiry_in_the_past')];
}

function toGroup(row: Row): Group {
  return {
    groupId: row.group_id as string,
    name: row.name as string,
    role: row.role as GroupRole | null,
    createdAt: row.created_at as number,
    updatedAt: row.updated_at as number,
  };
}

function toSealedMember(row: Row): SealedMember {
  return {
    userId: row.user_id as string,
    nameSealed: row.name_sealed as Uint8Array | null,
    role: row.role as GroupRole,
    createdAt: row.created_at as number,
    expiresAt: row.expires_at as number | null,
  };
}
