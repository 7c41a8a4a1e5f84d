import { now, type Sql, sql } from '../db/sql.ts';
import type { Level, Subject } from './subject.ts';

/**
 * The one relation of who may do what with which document, as rows `(document_id, level)`: public 1, owner 4, a share to
 * the user its level, a share to a group the smaller of its level and the ceiling of the user's role there (viewer 1,
 * editor 2, admin 3). Expired shares, memberships and documents and disabled users count for nothing, by the database's
 * clock. Lists, single checks, searches, jobs and changes all use this text, so they cannot disagree. Shares and
 * memberships are read live: what is revoked is gone with the next statement.
 */
function grants(subject: Subject): Sql {
  const open = sql`SELECT document_id, 1 AS level FROM documents WHERE owner_id IS NULL`;
  if (subject.kind === 'system') return sql`SELECT NULL AS document_id, 0 AS level WHERE 0`;
  if (subject.userId === null) return open;
  return sql`${open}
    UNION ALL SELECT document_id, 4 FROM documents WHERE owner_id = ${subject.userId}
    UNION ALL SELECT s.resource_id, s.level FROM resource_shares s
      WHERE s.grantee_user_id = ${subject.userId} AND s.resource_type = 'document'
        AND (s.expires_at IS NULL OR s.expires_at > ${now})
    UNION ALL SELECT s.resource_id, min(s.level, CASE m.role WHEN 'admin' THEN 3 WHEN 'editor' THEN 2 ELSE 1 END)
      FROM group_memberships m CROSS JOIN resource_shares s
        ON s.grantee_group_id = m.group_id AND s.resource_type = 'document'
      WHERE m.user_id = ${subject.userId}
        AND (m.expires_at IS NULL OR m.expires_at > ${now})
        AND (s.expires_at IS NULL OR s.expires_at > ${now})`;
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

/**
 * Whether a job that acts for this subject may go on writing the document: users need `write`; what a guest added is public
 * and its job belongs to nobody, so for it the document must still be there and ownerless.
 */
export function jobMayWrite(subject: Subject, documentId: Sql | string): Sql {
  const id = typeof documentId === 'string' ? sql`${documentId}` : documentId;
  if (subject.kind === 'guest') {
    return sql`EXISTS (SELECT 1 FROM documents j WHERE j.document_id = ${id} AND j.owner_id IS NULL
      AND (j.expires_at IS NULL OR j.expires_at > ${now}))`;
  }
  return sql`${levelOnDocument(subject, id)} >= 2`;
}

/** The caller's role in a group as a scalar expression; NULL for others. */
export function roleInGroup(subject: Subject, groupId: string): Sql {
  return sql`(SELECT role FROM group_memberships WHERE group_id = ${groupId} AND user_id = ${subject.userId}
    AND (expires_at IS NULL OR expires_at > ${now}))`;
}
