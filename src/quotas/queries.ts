import { roleInGroup, type Subject } from '../access/index.ts';
import { type Database, requireThat } from '../db/database.ts';
import { now, type Row, type Sql, type Statement, sql } from '../db/sql.ts';
import type { OwnLimits, QuotaDefaults, QuotaHolder, QuotaLimits, QuotaState, StockResource } from './quota.ts';

const DAY_MS = 86_400_000;
const today = sql`${now} / ${DAY_MS}`;

/** Names of the limits in the JSON of a row. */
const LIMIT_KEYS = {
  documents: 'documents',
  bytes: 'bytes',
  chunks: 'chunks',
  tokensPerDay: 'tokens_per_day',
} as const;

/** The limit of a row aliased `q`: its own, else the default; NULL is without limit. */
function limitOf(resource: keyof QuotaLimits, defaults: QuotaLimits): Sql {
  const path = `$.${LIMIT_KEYS[resource]}`;
  return sql`CASE WHEN json_type(q.limits, ${path}) IS NULL THEN ${defaults[resource]} ELSE q.limits ->> ${path} END`;
}

const COLUMNS = { documents: sql`q.documents`, bytes: sql`q.bytes`, chunks: sql`q.chunks` } as const;

/**
 * After what makes a document larger and in its transaction: its owner and every group that it is shared with must still be
 * within their limits. Fails with `quota_full`. What has no owner has no quota.
 */
export function requireRoom(
  documentId: string,
  resources: readonly StockResource[],
  defaults: QuotaDefaults,
): Statement[] {
  return resources.map((resource) =>
    requireThat(
      sql`NOT EXISTS (SELECT 1 FROM documents d JOIN user_quotas q ON q.user_id = d.owner_id
          WHERE d.document_id = ${documentId} AND ${COLUMNS[resource]} > ${limitOf(resource, defaults.user)})
        AND NOT EXISTS (SELECT 1 FROM resource_shares s JOIN group_quotas q ON q.group_id = s.grantee_group_id
          WHERE s.resource_type = 'document' AND s.resource_id = ${documentId}
            AND ${COLUMNS[resource]} > ${limitOf(resource, defaults.group)})`,
      'quota_full',
    ),
  );
}

/**
 * After something has come to a user or group, and in its transaction: they must still be within all their limits. Fails with
 * `quota_full`. Where `unless` holds, nothing has come to them.
 */
export function requireRoomOf(holder: QuotaHolder, defaults: QuotaDefaults, unless: Sql = sql`0`): Statement {
  const limits = defaults[holder.kind];
  return requireThat(
    sql`${unless} OR NOT EXISTS (SELECT 1 FROM ${tableOf(holder)} q WHERE ${isHolder(holder)}
      AND (q.documents > ${limitOf('documents', limits)} OR q.bytes > ${limitOf('bytes', limits)}
        OR q.chunks > ${limitOf('chunks', limits)}))`,
    'quota_full',
  );
}

/** For whom tokens are spent: a user who asks, or the owner of a document and the groups that it is shared with. */
export type Payer = { userId: string } | { documentId: string };

function payingUser(payer: Payer): Sql {
  if ('userId' in payer) return sql`q.user_id = ${payer.userId}`;
  return sql`q.user_id = (SELECT owner_id FROM documents WHERE document_id = ${payer.documentId})`;
}

function payingGroups(payer: Payer): Sql {
  if ('userId' in payer) return sql`0`;
  return sql`q.group_id IN (SELECT grantee_group_id FROM resource_shares
    WHERE resource_type = 'document' AND resource_id = ${payer.documentId} AND grantee_group_id IS NOT NULL)`;
}

/** Adds to what was spent today, or takes from it; a new day begins at 0. */
export function addTokens(payer: Payer, tokens: number): Statement[] {
  const set = sql`SET tokens = max(0, CASE WHEN token_day = ${today} THEN tokens ELSE 0 END + ${tokens}), token_day = ${today}`;
  return [
    sql`UPDATE user_quotas AS q ${set} WHERE ${payingUser(payer)}`,
    ...('userId' in payer ? [] : [sql`UPDATE group_quotas AS q ${set} WHERE ${payingGroups(payer)}`]),
  ];
}

/** After `addTokens`, in its transaction. Fails with `quota_exceeded`. */
export function requireTokens(payer: Payer, defaults: QuotaDefaults): Statement {
  return requireThat(
    sql`NOT EXISTS (SELECT 1 FROM user_quotas q WHERE ${payingUser(payer)}
        AND q.tokens > ${limitOf('tokensPerDay', defaults.user)})
      AND NOT EXISTS (SELECT 1 FROM group_quotas q WHERE ${payingGroups(payer)}
        AND q.tokens > ${limitOf('tokensPerDay', defaults.group)})`,
    'quota_exceeded',
  );
}

/** Until today's tokens are counted from 0 again, by the database's clock. */
export async function selectMsUntilTomorrow(db: Database): Promise<number> {
  const rows = await db.query<{ ms: number }>(sql`SELECT ${DAY_MS} - ${now} % ${DAY_MS} AS ms`);
  return rows[0]!.ms;
}

/** Null where there is no such user or group. */
export async function selectQuota(
  db: Database,
  holder: QuotaHolder,
  defaults: QuotaDefaults,
): Promise<QuotaState | null> {
  const rows = await db.query(sql`SELECT q.documents, q.bytes, q.chunks,
      CASE WHEN q.token_day = ${today} THEN q.tokens ELSE 0 END AS tokens, q.limits,
      (${today} + 1) * ${DAY_MS} AS resets_at,
      ${limitOf('documents', defaults[holder.kind])} AS documents_limit,
      ${limitOf('bytes', defaults[holder.kind])} AS bytes_limit,
      ${limitOf('chunks', defaults[holder.kind])} AS chunks_limit,
      ${limitOf('tokensPerDay', defaults[holder.kind])} AS tokens_limit
    FROM ${tableOf(holder)} q WHERE ${isHolder(holder)}`);
  return rows[0] === undefined ? null : toQuotaState(rows[0]);
}

/** Whether the subject is in the group. */
export async function selectIsMember(db: Database, subject: Subject, groupId: string): Promise<boolean> {
  const rows = await db.query(sql`SELECT 1 AS found WHERE ${roleInGroup(subject, groupId)} IS NOT NULL`);
  return rows.length > 0;
}

/** Replaces all limits of its own; `{}` gives the defaults back. */
export function updateLimits(holder: QuotaHolder, limits: OwnLimits): Statement[] {
  const json = Object.fromEntries(
    Object.entries(limits).map(([resource, limit]) => [LIMIT_KEYS[resource as keyof QuotaLimits], limit]),
  );
  return [
    requireThat(sql`EXISTS (SELECT 1 FROM ${tableOf(holder)} q WHERE ${isHolder(holder)})`, 'not_found'),
    sql`UPDATE ${tableOf(holder)} AS q SET limits = ${JSON.stringify(json)} WHERE ${isHolder(holder)}`,
  ];
}

function tableOf({ kind }: QuotaHolder): Sql {
  return kind === 'user' ? sql`user_quotas` : sql`group_quotas`;
}

function isHolder({ kind, id }: QuotaHolder): Sql {
  return kind === 'user' ? sql`q.user_id = ${id}` : sql`q.group_id = ${id}`;
}

function toQuotaState(row: Row): QuotaState {
  const state = (used: string, limit: string) => ({ used: row[used] as number, limit: row[limit] as number | null });
  const limits = JSON.parse(row.limits as string) as Record<string, number | null>;
  const ownLimits: OwnLimits = {};
  for (const [resource, key] of Object.entries(LIMIT_KEYS)) {
    if (limits[key] !== undefined) ownLimits[resource as keyof QuotaLimits] = limits[key];
  }
  return {
    documents: state('documents', 'documents_limit'),
    bytes: state('bytes', 'bytes_limit'),
    chunks: state('chunks', 'chunks_limit'),
    tokensPerDay: state('tokens', 'tokens_limit'),
    tokensResetAt: row.resets_at as number,
    ownLimits,
  };
}
