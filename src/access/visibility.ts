import { now, type Sql, sql } from '../db/sql.ts';
import type { Level, Subject } from './subject.ts';

/**
 * The one relation of who may do what with which document, as rows `(document_id, level)`: public 1, owner 4, a share to
 * the user its level, a share to a group the smaller of its level and the ceiling of the user's role there (viewer 1,
 * editor 2, admin 3). Expired shares, memberships and documents and disabled users count for nothing, by the database's
 * clock. Lists, single checks, searches, jobs and changes all use this text, so they cannot disagree. Shares are always
 * read live, memberships unless they are known to be those of now: what is revoked is gone with the next statement.
 *
 * For a key of one group the shares with that group are all there is, so that neither what its user has elsewhere nor what
 * strangers have published gets into what is done with it.
 */
function grants(subject: Subject): Sql {
  if (subject.kind === 'system') return sql`SELECT NULL AS document_id, 0 AS level WHERE 0`;
  const open = sql`SELECT document_id, 1 AS level FROM documents WHERE owner_id IS NULL`;
  if (subject.userId === null) return open;
  const throughGroups = sql`SELECT s.resource_id AS document_id,
      min(s.level, CASE m.role WHEN 'admin' THEN 3 WHEN 'editor' THEN 2 ELSE 1 END) AS level
    FROM (${membershipsOf(subject)}) m CROSS JOIN resource_shares s
      ON s.grantee_group_id = m.group_id AND s.resource_type = 'document'
    WHERE s.expires_at IS NULL OR s.expires_at > ${now}`;
  if (subject.groupId !== null) return throughGroups;
  return sql`${open}
    UNION ALL SELECT document_id, 4 FROM documents WHERE owner_id = ${subject.userId}
    UNION ALL SELECT s.resource_id, s.level FROM resource_shares s
      WHERE s.grantee_user_id = ${subject.userId} AND s.resource_type = 'document'
        AND (s.expires_at IS NULL OR s.expires_at > ${now})
    UNION ALL ${throughGroups}`;
}

/**
 * The groups that the subject is in at this instant, as rows `(group_id, role)`. The first branch has what was known when
 * the subject was authenticated and holds while the user's epoch is still that one; else the second reads what is true now,
 * in the same snapshot. So no statement ever works with rights that were revoked before it, and none has to be repeated.
 */
export function membershipsOf(subject: Subject): Sql {
  const { userId, groupId, memberships } = subject;
  const isMeant = groupId === null ? sql`1` : sql`group_id = ${groupId}`;
  return sql`SELECT group_id, role FROM (
    SELECT k.value ->> 0 AS group_id, k.value ->> 1 AS role, k.value ->> 2 AS expires_at
      FROM users u CROSS JOIN json_each(${memberships.list}) k
      WHERE u.user_id = ${userId} AND u.authz_epoch = ${memberships.epoch}
    UNION ALL
    SELECT m.group_id, m.role, m.expires_at FROM users u CROSS JOIN group_memberships m ON m.user_id = u.user_id
      WHERE u.user_id = ${userId} AND u.authz_epoch <> ${memberships.epoch})
    WHERE (expires_at IS NULL OR expires_at > ${now}) AND ${isMeant}`;
}

function subjectIsActive(subject: Subject): Sql {
  if (subject.userId === null) return sql`1`;
  return sql`EXISTS (SELECT 1 FROM users WHERE user_id = ${subject.userId} AND status = 'active')`;
}

/**
 * A subquery of `(document_id, level)` with one row per document on which the subject has at least `level` (default
 * read). Join it before ranking, counting or limiting: `FROM ${visibleDocuments(subject)} v JOIN documents d …`.
 */
export function visibleDocuments(subject: Subject, level: Level = 1): Sql {
  return sql`(
    SELECT g.document_id, min(max(g.level), ${subject.levelCap}) AS level
    FROM (${grants(subject)}) g CROSS JOIN documents e ON e.document_id = g.document_id
    WHERE (e.expires_at IS NULL OR e.expires_at > ${now}) AND ${subjectIsActive(subject)}
    GROUP BY g.document_id
    HAVING min(max(g.level), ${subject.levelCap}) >= ${level}
  )`;
}

/** The subject's level on one document as a scalar expression; 0 where it is absent, expired or not visible. */
export function levelOnDocument(subject: Subject, documentId: Sql | string): Sql {
  const id = typeof documentId === 'string' ? sql`${documentId}` : documentId;
  return sql`coalesce((
    SELECT min(max(g.level), ${subject.levelCap})
    FROM (${grants(subject)}) g CROSS JOIN documents e ON e.document_id = g.document_id
    WHERE g.document_id = ${id} AND (e.expires_at IS NULL OR e.expires_at > ${now}) AND ${subjectIsActive(subject)}
  ), 0)`;
}

/** Whether the key that caused a job was not deleted since. */
function keyIsThere({ via, credentialId }: Subject): Sql {
  if (via !== 'api_key' || credentialId === null) return sql`1`;
  return sql`EXISTS (SELECT 1 FROM api_keys WHERE key_id = ${credentialId})`;
}

/**
 * Whether a job that acts for this subject may go on writing the document: users need `write` and the key they used; what a guest added is public
 * and its job belongs to nobody, so for it the document must still be there and ownerless.
 */
export function jobMayWrite(subject: Subject, documentId: Sql | string): Sql {
  const id = typeof documentId === 'string' ? sql`${documentId}` : documentId;
  if (subject.kind === 'guest') {
    return sql`EXISTS (SELECT 1 FROM documents j WHERE j.document_id = ${id} AND j.owner_id IS NULL
      AND (j.expires_at IS NULL OR j.expires_at > ${now}))`;
  }
  return sql`(${levelOnDocument(subject, id)} >= 2 AND ${keyIsThere(subject)})`;
}

/** The caller's role in a group as a scalar expression; NULL for others. */
export function roleInGroup(subject: Subject, groupId: string): Sql {
  return sql`(SELECT role FROM (${membershipsOf(subject)}) WHERE group_id = ${groupId})`;
}
