import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { credentialStands, hasRole, type Subject, type SystemRole } from '../../../access/index.ts';
import { decodeCursor, encodeCursor } from '../../../base/cursor.ts';
import { toTimestamp, toTimestampOrNull } from '../../../base/timestamps.ts';
import type { Database } from '../../../db/database.ts';
import { selectVisibleIds } from '../../../documents/index.ts';
import { AppError, hasCode } from '../../../errors/app-error.ts';
import {
  cancelJob,
  hashPollToken,
  type Job,
  type JobAudience,
  type JobLogLine,
  retryJob,
  selectJob,
  selectJobLog,
  selectJobs,
  selectPlace,
  selectTimeline,
} from '../../../jobs/index.ts';
import { traceIdIn } from '../../../telemetry/trace-context.ts';
import type { App } from '../../app-types.ts';
import { callerGone } from '../../caller-gone.ts';
import { sendEvents } from '../../event-stream.ts';
import { limitedCallerOf } from '../../plugins/limit-rates.ts';
import { eventStreamResponse, problemResponses } from '../../problem-schema.ts';
import { ListOf, PageQuery, pageOf } from '../../schemas.ts';
import { limitWatches } from './limit-watches.ts';
import { JobDetail, JobHeaders, JobParams, Job as JobSchema, JobsQuery, LogLine, WaitQuery } from './schema.ts';
import { watchJob } from './watch-job.ts';

export interface JobRouteDependencies {
  db: Database;
  /** Aborts when the server is stopping, so that nobody's wait holds it up. */
  stopping: AbortSignal;
}

export function jobRoutes(app: App, { db, stopping }: JobRouteDependencies): void {
  const tags = ['jobs'];
  const watching = limitWatches();

  app.get(
    '/jobs',
    {
      config: { access: { kind: 'user', scope: 'read' } },
      schema: {
        tags,
        summary: 'Your jobs, newest first',
        querystring: JobsQuery,
        response: { 200: ListOf(JobSchema), ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor, status, job_type, all } = request.query;
      if (all && !hasRole(request.subject, 'super_admin')) throw new AppError('forbidden');
      const { userId: ownerId, groupId } = request.subject;
      const audience: JobAudience = { all, ownerId, groupId, pollTokenHash: null };
      const rows = await selectJobs(db, audience, {
        status: status ?? null,
        jobType: job_type ?? null,
        beforeSeq: cursor === undefined ? null : decodeCursor(cursor, ['number'])[0],
        limit: limit + 1,
      });
      const jobs = await withVisibleResults(
        db,
        request.subject,
        rows.map(({ job }) => job),
      );
      return pageOf(
        rows.map(({ seq }, index) => ({ seq, job: jobs[index]! })),
        limit,
        (row) => toJson(row.job),
        (row) => encodeCursor([row.seq]),
      );
    },
  );

  app.get(
    '/jobs/:job_id',
    {
      config: { access: { kind: 'job' } },
      schema: {
        tags,
        summary: 'A job; with `wait` when it has ended or the time is up',
        params: JobParams,
        headers: JobHeaders,
        querystring: WaitQuery,
        response: { 200: JobDetail, ...problemResponses() },
      },
    },
    async (request, reply) => {
      const audience = audienceOf(request, MAY_SEE_ALL);
      const timeUp = AbortSignal.timeout(request.query.wait * 1_000);
      const enough = AbortSignal.any([stopping, callerGone(reply), timeUp]);
      const isStillCaller = () => credentialStands({ db }, request.subject);
      async function lastSeen(): Promise<Job | null> {
        let last: Job | null = null;
        for await (const job of watchJob(db, request.params.job_id, audience, { enough, isStillCaller })) {
          last = job;
          if (job.finishedAt !== null) break;
        }
        return last;
      }
      const last = request.query.wait === 0 ? await lastSeen() : await watching(limitedCallerOf(request), lastSeen);
      if (last === null) throw new AppError('not_found');
      const [shown] = await withVisibleResults(db, request.subject, [last]);
      return { ...toJson(shown!), ...(await detailOf(db, last.jobId, audience)) };
    },
  );

  app.get(
    '/jobs/:job_id/logs',
    {
      config: { access: { kind: 'job' } },
      schema: {
        tags,
        summary: 'What the job has said, oldest first',
        params: JobParams,
        headers: JobHeaders,
        querystring: PageQuery,
        response: { 200: ListOf(LogLine), ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const afterN = cursor === undefined ? -1 : decodeCursor(cursor, ['number'])[0];
      const page = { afterN, limit: limit + 1 };
      const lines = await selectJobLog(db, request.params.job_id, audienceOf(request, MAY_SEE_ALL), page);
      if (lines === null) throw new AppError('not_found');
      return pageOf(lines, limit, toLogLine, (line) => encodeCursor([line.n]));
    },
  );

  app.get(
    '/jobs/:job_id/events',
    {
      config: { access: { kind: 'job' } },
      // A HEAD request would be held until the job ends, for nothing.
      exposeHeadRoute: false,
      schema: {
        tags,
        summary: 'Server-sent events: `progress` with each change, then `end`',
        params: JobParams,
        headers: JobHeaders,
        response: { 200: eventStreamResponse(), ...problemResponses() },
      },
    },
    async (request, reply) => {
      const { job_id } = request.params;
      const audience = audienceOf(request, MAY_SEE_ALL);
      if ((await selectJob(db, job_id, audience)) === null) throw new AppError('not_found');
      await watching(limitedCallerOf(request), () =>
        sendEvents(request, reply, async ({ send, signal }) => {
          const enough = AbortSignal.any([stopping, signal]);
          const isStillCaller = () => credentialStands({ db }, request.subject);
          for await (const job of watchJob(db, job_id, audience, { enough, isStillCaller })) {
            const [shown] = await withVisibleResults(db, request.subject, [job]);
            send(job.finishedAt === null ? 'progress' : 'end', toJson(shown!));
          }
        }),
      );
    },
  );

  for (const [action, change] of [
    ['cancel', cancelJob],
    ['retry', retryJob],
  ] as const) {
    app.post(
      `/jobs/:job_id/${action}`,
      {
        config: { access: { kind: 'user', scope: 'ingest' } },
        schema: {
          tags,
          summary: action === 'cancel' ? 'Ask a job to stop' : 'Run a failed or cancelled job again',
          params: JobParams,
          response: { 202: JobSchema, ...problemResponses(409) },
        },
      },
      async (request, reply) => {
        const { job_id: jobId } = request.params;
        const audience = audienceOf(request, MAY_END_ALL);
        await db.batch(change(jobId, audience)).catch(async (error: unknown) => {
          const isSeen = hasCode(error, 'not_found') && (await selectJob(db, jobId, audienceOf(request, MAY_SEE_ALL)));
          throw isSeen ? new AppError('forbidden') : error;
        });
        const job = await selectJob(db, jobId, audience);
        if (job === null) throw new AppError('not_found');
        const [shown] = await withVisibleResults(db, request.subject, [job]);
        return reply.code(202).send(toJson(shown!));
      },
    );
  }
}

const MAY_END_ALL: readonly SystemRole[] = ['super_admin', 'operator'];
const MAY_SEE_ALL: readonly SystemRole[] = [...MAY_END_ALL, 'auditor'];

/**
 * Owners have their jobs, whoever has the token the one it was given for, and those with one of the roles all of them, when
 * they are signed in: an operator's key is for what its scopes say.
 */
function audienceOf(request: FastifyRequest, roles: readonly SystemRole[]): JobAudience {
  const token = request.headers['job-token'];
  return {
    all: request.subject.scopes === null && hasRole(request.subject, ...roles),
    ownerId: request.subject.userId,
    groupId: request.subject.groupId,
    pollTokenHash: typeof token === 'string' ? hashPollToken(token) : null,
  };
}

/**
 * A result outlives the right to see what it tells of: where the document is gone, or is no longer the caller's to see, the
 * job is shown without it.
 */
async function withVisibleResults(db: Database, subject: Subject, jobs: readonly Job[]): Promise<Job[]> {
  const documentIds = jobs.flatMap((job) => documentIdIn(job) ?? []);
  if (documentIds.length === 0) return [...jobs];
  const visible = await selectVisibleIds(db, subject, documentIds);
  return jobs.map((job) => {
    const documentId = documentIdIn(job);
    return documentId === null || visible.has(documentId) ? job : { ...job, result: null };
  });
}

function documentIdIn({ result }: Job): string | null {
  return typeof result?.document_id === 'string' ? result.document_id : null;
}

async function detailOf(db: Database, jobId: string, audience: JobAudience) {
  const [timeline, line] = await Promise.all([selectTimeline(db, jobId, audience), selectPlace(db, jobId, audience)]);
  return {
    timeline: (timeline ?? []).map((entry) => ({ ...entry, at: toTimestamp(entry.at) })),
    place: line?.place ?? null,
    recent_wait_ms: line?.recentWaitMs ?? null,
  };
}

function toLogLine({ at, level, message }: JobLogLine): z.infer<typeof LogLine> {
  return { at: toTimestamp(at), level: level as z.infer<typeof LogLine>['level'], message };
}

function toJson(job: Job): z.infer<typeof JobSchema> {
  return {
    job_id: job.jobId,
    job_type: job.jobType,
    queue: job.queue,
    status: job.status,
    reason: job.reason,
    priority: job.priority,
    parent_id: job.parentId,
    open_children: job.openChildren,
    progress: job.progress,
    result: job.result,
    error: job.error,
    attempts: job.attempts,
    max_attempts: job.maxAttempts,
    run_at: toTimestamp(job.runAt),
    created_at: toTimestamp(job.createdAt),
    updated_at: toTimestamp(job.updatedAt),
    started_at: toTimestampOrNull(job.startedAt),
    finished_at: toTimestampOrNull(job.finishedAt),
    trace_id: traceIdIn(job.trace),
  };
}
