import { z } from 'zod';
import { jobOrigin } from '../../../access/index.ts';
import type { Database } from '../../../db/database.ts';
import {
  enqueueRedrive,
  pauseJobs,
  type QueueState,
  resumeJobs,
  selectQueueNames,
  selectQueues,
  WHOLE_QUEUE,
} from '../../../jobs/index.ts';
import { activeTrace } from '../../../telemetry/logger.ts';
import { traceparentOf } from '../../../telemetry/trace-context.ts';
import type { App } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { instantToMs } from '../../schemas.ts';
import { Pause, PauseBody, Queue, QueueParams, RedriveAccepted, RedriveBody } from './schema.ts';

const OPERATORS = { kind: 'system', roles: ['super_admin', 'operator'] } as const;
const WATCHERS = { kind: 'system', roles: [...OPERATORS.roles, 'auditor'] } as const;

export function queueRoutes(app: App, { db }: { db: Database }): void {
  const tags = ['jobs'];

  app.get(
    '/queues',
    {
      config: { access: WATCHERS },
      schema: {
        tags,
        summary: 'Every queue, with its live jobs by type',
        response: { 200: z.object({ items: z.array(Queue) }), ...problemResponses() },
      },
    },
    async () => {
      const [names, states] = await Promise.all([selectQueueNames(db), selectQueues(db)]);
      return {
        items: names.map((name) => ({
          ...name,
          job_types: states.filter(({ queue }) => queue === name.queue).map(toJson),
        })),
      };
    },
  );

  for (const [action, paused, change] of [
    ['pause', true, pauseJobs],
    ['resume', false, resumeJobs],
  ] as const) {
    app.post(
      `/queues/:queue/${action}`,
      {
        config: { access: OPERATORS },
        schema: {
          tags,
          summary: paused ? 'Let the jobs of a queue wait; running ones go on' : 'End the pause of a queue',
          params: QueueParams,
          body: PauseBody,
          response: { 200: Pause, ...problemResponses() },
        },
      },
      async (request) => {
        const { queue } = request.params;
        const jobType = request.body.job_type ?? null;
        await db.batch([change(queue, jobType ?? WHOLE_QUEUE)]);
        const fields = { event: `queue.${action}d`, user_id: request.subject.userId, queue, job_type: jobType };
        request.log.info(fields, `queue ${action}d`);
        return { queue, job_type: jobType, paused };
      },
    );
  }

  app.post(
    '/jobs/redrive',
    {
      config: { access: OPERATORS },
      schema: {
        tags,
        summary: 'Run failed jobs again',
        description: 'By a job, whose result says how many they were.',
        body: RedriveBody,
        response: { 202: RedriveAccepted, ...problemResponses() },
      },
    },
    async (request, reply) => {
      const { queue, job_type, code, failed_after } = request.body;
      const filter = {
        queue: queue ?? null,
        jobType: job_type ?? null,
        code: code ?? null,
        failedAfter: failed_after === undefined ? null : instantToMs(failed_after),
      };
      const trace = activeTrace.getStore();
      const { jobId, statements } = enqueueRedrive(filter, {
        onBehalfOf: jobOrigin(request.subject),
        trace: trace === undefined ? null : traceparentOf(trace),
      });
      await db.batch(statements);
      const fields = { event: 'jobs.redrive', user_id: request.subject.userId, filter: request.body, job_id: jobId };
      request.log.info(fields, 'failed jobs are to run again');
      const statusUrl = `/jobs/${jobId}`;
      return reply
        .code(202)
        .header('location', statusUrl)
        .send({ job_id: jobId, status: 'pending' as const, status_url: statusUrl });
    },
  );
}

function toJson(state: QueueState) {
  return {
    job_type: state.jobType,
    paused: state.paused,
    pending: state.pending,
    processing: state.processing,
    recent_wait_ms: state.recentWaitMs === null ? null : Math.round(state.recentWaitMs),
    recent_run_ms: state.recentRunMs === null ? null : Math.round(state.recentRunMs),
  };
}
