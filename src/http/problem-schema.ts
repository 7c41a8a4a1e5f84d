import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../errors/codes.ts';

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** RFC 9457 with the stable `code` that clients match on. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    instance: z.string(),
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    trace_id: z.string(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'Problem' });

/** Any route may answer these. */
const COMMON = [400, 401, 403, 404, 429, 500, 503] as const;
type CommonStatus = (typeof COMMON)[number];

/** Declares the problems of a route: the common ones and those named. */
export function problemResponses<const S extends number = never>(
  ...statuses: S[]
): { [K in CommonStatus | S]: { description: string; content: { [PROBLEM_MEDIA_TYPE]: { schema: typeof Problem } } } } {
  const entries = [...COMMON, ...statuses].map((status) => [
    status,
    { description: 'Problem', content: { [PROBLEM_MEDIA_TYPE]: { schema: Problem } } },
  ]);
  return Object.fromEntries(entries);
}

/** Server-sent events are text to a schema; what they hold is said in the route's description. */
export const eventStreamContent = { 'text/event-stream': { schema: z.string() } };

export function eventStreamResponse() {
  return { description: 'Events until the end', content: eventStreamContent };
}
