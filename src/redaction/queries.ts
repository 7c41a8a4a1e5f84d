import { roleInGroup, type Subject } from '../access/index.ts';
import { type Database, requireThat, type Statement } from '../db/database.ts';
import { now, type Sql, sql } from '../db/sql.ts';
import { PII_POLICIES, type PiiPolicy, strictestPolicy } from './policy.ts';

/** The policy that the admins of a group have set; `off` where they have not. */
export async function selectGroupPolicy(db: Database, groupId: string): Promise<PiiPolicy> {
  const rows = await db.query<{ pii_policy: PiiPolicy }>(
    sql`SELECT pii_policy FROM group_policies WHERE group_id = ${groupId}`,
  );
  return rows[0]?.pii_policy ?? 'off';
}

/** The same for a member of the group; null for others. */
export async function selectPolicyForMember(
  db: Database,
  subject: Subject,
  groupId: string,
): Promise<PiiPolicy | null> {
  const rows = await db.query<{ pii_policy: PiiPolicy }>(sql`SELECT coalesce(
      (SELECT pii_policy FROM group_policies WHERE group_id = ${groupId}), 'off') AS pii_policy
    WHERE ${roleInGroup(subject, groupId)} IS NOT NULL`);
  return rows[0]?.pii_policy ?? null;
}

/** 404 for who is not in the group, 403 for who is no admin of it. */
export function requireGroupAdmin(subject: Subject, groupId: string): Statement[] {
  return [
    requireThat(sql`${roleInGroup(subject, groupId)} IS NOT NULL`, 'not_found'),
    requireThat(sql`${roleInGroup(subject, groupId)} = 'admin'`, 'forbidden'),
  ];
}

/** Holds for what is read from now on; what is stored stays as it is. */
export function upsertGroupPolicy(groupId: string, policy: PiiPolicy): Statement {
  return sql`INSERT INTO group_policies (group_id, pii_policy, updated_at) VALUES (${groupId}, ${policy}, ${now})
    ON CONFLICT DO UPDATE SET pii_policy = excluded.pii_policy, updated_at = excluded.updated_at`;
}

/**
 * The strictest policy of the groups that a document is shared with at this instant, as a scalar expression: 0 `off`,
 * 1 `tag`, 2 `mask`. What one of them forbids to store is stored for none.
 */
export function groupPolicyRank(documentId: Sql | string): Sql {
  const id = typeof documentId === 'string' ? sql`${documentId}` : documentId;
  return sql`coalesce((SELECT max(CASE p.pii_policy WHEN 'mask' THEN 2 WHEN 'tag' THEN 1 ELSE 0 END)
    FROM resource_shares s JOIN group_policies p ON p.group_id = s.grantee_group_id
    WHERE s.resource_type = 'document' AND s.resource_id = ${id} AND (s.expires_at IS NULL OR s.expires_at > ${now})), 0)`;
}

/** A rank of `groupPolicyRank` as a policy. */
export function policyOfRank(rank: number): PiiPolicy {
  return PII_POLICIES[rank]!;
}

/** What applies to a document at this instant: the strictest of the setting and of its groups. */
export async function selectDocumentPolicy(
  db: Database,
  documentId: string,
  everywhere: PiiPolicy,
): Promise<PiiPolicy> {
  const rows = await db.query<{ rank: number }>(sql`SELECT ${groupPolicyRank(documentId)} AS rank`);
  return strictestPolicy(everywhere, policyOfRank(rows[0]!.rank));
}
