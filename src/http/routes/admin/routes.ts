import type { z } from 'zod';
import { readStatistics, type Statistics, sweepExpired } from '../../../admin/index.ts';
import { type AuditEntry, selectAuditEntries } from '../../../audit/index.ts';
import { decodeCursor, encodeCursor } from '../../../base/cursor.ts';
import { toTimestamp } from '../../../base/timestamps.ts';
import type { Database } from '../../../db/database.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { instantToMs, pageOf } from '../../schemas.ts';
import { type AuditEntry as AuditEntrySchema, AuditList, AuditQuery, Stats, Swept } from './schema.ts';

const AUDITORS: RouteAccess = { kind: 'system', roles: ['super_admin', 'auditor'] };
const OPERATORS: RouteAccess = { kind: 'system', roles: ['super_admin', 'operator'] };
const SWEEPERS: RouteAccess = { kind: 'system', roles: ['super_admin', 'operator'], scope: 'content:expire' };
/** Half a second to a few seconds of work; a request is no place for more. */
const SLICES_PER_REQUEST = 50;

export function adminRoutes(app: App, { db }: { db: Database }): void {
  const tags = ['admin'];

  app.get(
    '/admin/audit',
    {
      config: { access: AUDITORS },
      schema: {
        tags,
        summary: 'Who did what to whom, newest first',
        querystring: AuditQuery,
        response: { 200: AuditList, ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor, since, until, ...filter } = request.query;
      const entries = await selectAuditEntries(db, {
        action: filter.action ?? null,
        actorId: filter.actor_id ?? null,
        userId: filter.user_id ?? null,
        targetType: filter.target_type ?? null,
        targetId: filter.target_id ?? null,
        since: since === undefined ? null : instantToMs(since),
        until: until === undefined ? null : instantToMs(until),
        beforeSeq: cursor === undefined ? null : decodeCursor(cursor, ['number'])[0],
        limit: limit + 1,
      });
      return pageOf(entries, limit, entryToJson, ({ seq }) => encodeCursor([seq]));
    },
  );

  app.get(
    '/admin/stats',
    {
      config: { access: OPERATORS },
      schema: {
        tags,
        summary: 'Figures of queue, cache, index and storage',
        response: { 200: Stats, ...problemResponses() },
      },
    },
    async () => statisticsToJson(await readStatistics({ db })),
  );

  app.delete(
    '/admin/content/expired',
    {
      config: { access: SWEEPERS },
      schema: {
        tags,
        summary: 'Delete what has expired; workers do the same every ten minutes',
        response: { 200: Swept, ...problemResponses() },
      },
    },
    async (request) =>
      sweepExpired({
        write: (statements) => db.batch(statements),
        subject: request.subject,
        maxSlices: SLICES_PER_REQUEST,
      }),
  );
}

function entryToJson(entry: AuditEntry): z.infer<typeof AuditEntrySchema> {
  return {
    entry_id: String(entry.seq),
    at: toTimestamp(entry.at),
    actor_id: entry.actorId,
    via: entry.via,
    credential_id: entry.credentialId,
    action: entry.action,
    target_type: entry.targetType,
    target_id: entry.targetId,
    concerned_id: entry.concernedId,
    detail: entry.detail,
    trace_id: entry.traceId,
  };
}

function statisticsToJson({ takenAt, queues, cache, counts, database, files }: Statistics): z.infer<typeof Stats> {
  return {
    taken_at: toTimestamp(takenAt),
    queues: queues.map(({ queue, jobType, pending, processing, paused }) => ({
      queue,
      job_type: jobType,
      pending,
      processing,
      paused,
    })),
    cache,
    index: counts,
    storage: {
      database_bytes: database.bytes,
      database_free_bytes: database.freeBytes,
      files: files.count,
      files_bytes: files.bytes,
    },
  };
}
