import { createHash, randomBytes } from 'node:crypto';
import { newId } from '../base/ids.ts';
import type { Statement } from '../db/database.ts';
import type { ClaimedJob } from './job.ts';
import { insertJob } from './queries.ts';

export interface EnqueueRequest {
  jobType: string;
  /** Small and JSON-serialisable: ids of what to work on, never the content itself. */
  payload: Record<string, unknown>;
  /** For whom the job acts. Its rights are looked up when it runs, not remembered. */
  onBehalfOf: Pick<ClaimedJob, 'ownerId' | 'via' | 'levelCap' | 'groupId'> & Partial<Pick<ClaimedJob, 'keyId'>>;
  /** W3C traceparent of the request. */
  trace?: string | null;
  /** Lower runs first. */
  priority?: number;
  maxAttempts?: number;
  delayMs?: number;
  /** While a job with this key is waiting or running, another one is not added. */
  uniqueKey?: string;
  /** Default `default`. Workers may be told to serve certain queues only. */
  queue?: string;
  /** Whose share of the queue it uses: the tenants of a queue take turns. Default: the owner. */
  tenant?: string;
  /** No more than `max` jobs with this key run at a time. */
  limit?: { key: string; max: number };
  /** Jobs with this key start at least `intervalMs` apart, after up to `burst` at once (default 1). */
  rate?: { key: string; intervalMs: number; burst?: number };
  /** The job that waits for this one: it is not run again before this one has ended. See `JobContext.spawn`. */
  parentId?: string;
}

export interface Enqueued {
  jobId: string;
  /** Whoever is nobody (a guest) polls with this; only its hash is stored. Null for users. */
  pollToken: string | null;
  /** To be run in the batch that makes the job necessary, so that both happen or neither. */
  statements: Statement[];
}

/** Prepares a job. Nothing is written until the caller runs the statements. */
export function enqueueJob(request: EnqueueRequest): Enqueued {
  const jobId = newId();
  const pollToken = request.onBehalfOf.via === 'guest' ? randomBytes(32).toString('base64url') : null;
  const statements = insertJob({
    jobId,
    jobType: request.jobType,
    payload: request.payload,
    ownerId: request.onBehalfOf.ownerId,
    via: request.onBehalfOf.via,
    levelCap: request.onBehalfOf.levelCap,
    groupId: request.onBehalfOf.groupId,
    keyId: request.onBehalfOf.keyId ?? null,
    trace: request.trace ?? null,
    pollTokenHash: pollToken === null ? null : hashPollToken(pollToken),
    priority: request.priority ?? 0,
    maxAttempts: request.maxAttempts ?? 5,
    delayMs: request.delayMs ?? 0,
    uniqueKey: request.uniqueKey ?? null,
    queue: request.queue ?? 'default',
    tenant: request.tenant ?? request.onBehalfOf.ownerId ?? '',
    limit: request.limit ?? null,
    rate: request.rate === undefined ? null : { burst: 1, ...request.rate },
    parentId: request.parentId ?? null,
  });
  return { jobId, pollToken, statements };
}

export function hashPollToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
