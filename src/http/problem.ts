import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { ConstraintError } from '../db/database.ts';
import { AppError, type FieldError } from '../errors/app-error.ts';
import { ERROR_CODES, type ErrorCode } from '../errors/codes.ts';
import { fieldErrors, MAX_FIELD_ERRORS, type SchemaIssue } from './field-errors.ts';
import { PROBLEM_MEDIA_TYPE } from './problem-schema.ts';

/** What the framework refuses before a handler runs, in our words. */
const FRAMEWORK_CODES: Record<string, ErrorCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'payload_too_large',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed_request',
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed_request',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'malformed_request',
  FST_ERR_BAD_URL: 'malformed_request',
  // No id is that long.
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
  FST_INVALID_MULTIPART_CONTENT_TYPE: 'unsupported_media_type',
  FST_REQ_FILE_TOO_LARGE: 'payload_too_large',
  FST_PARTS_LIMIT: 'payload_too_large',
  FST_FILES_LIMIT: 'payload_too_large',
  FST_FIELDS_LIMIT: 'payload_too_large',
  FST_PROTO_VIOLATION: 'malformed_request',
};

/** The only place that makes a response of an error. An error we do not know is a bare 500: its text stays in the log. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toAppError(error);
  const { status } = ERROR_CODES[problem.code];
  request.problemCode = problem.code;
  // Whoever leaves while a model is at work stops it; that is no failure.
  const hasLeft = reply.raw.destroyed && error instanceof Error && error.name === 'AbortError';
  if (status >= 500 && !hasLeft) request.log.error({ event: 'http.request_failed', err: error }, 'the request failed');
  if (problem.retryAfterSeconds !== undefined || status === 429 || status === 503) {
    reply.header('retry-after', Math.max(1, Math.ceil(problem.retryAfterSeconds ?? 1)));
  }
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return reply
    .code(status)
    .type(PROBLEM_MEDIA_TYPE)
    .serializer((body: unknown) => JSON.stringify(body))
    .send(problemBody(problem, request));
}

export function problemBody(problem: AppError, request: FastifyRequest) {
  return problemOf(problem, request.url.split('?', 1)[0]!, request.traceId);
}

export function problemOf(problem: AppError, instance: string, traceId: string) {
  const { status, title } = ERROR_CODES[problem.code];
  return {
    type: `https://anyrag.dev/errors/${problem.code}`,
    title,
    status,
    detail: problem.detail,
    instance,
    code: problem.code,
    trace_id: traceId,
    ...(problem.errors && { errors: problem.errors }),
  };
}

export function sendNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return sendProblem(new AppError('not_found', 'There is no such route'), request, reply);
}

export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const part = error.validationContext === 'querystring' ? 'query' : (error.validationContext ?? 'body');
    const fields = fieldErrors(part, error.validation.slice(0, MAX_FIELD_ERRORS).map(toIssue));
    return new AppError('validation_failed', summaryOf(fields), { errors: fields });
  }
  if (error instanceof ConstraintError) return new AppError('conflict', undefined, { cause: error });
  const { code, statusCode, message } = error as FastifyError;
  const known = FRAMEWORK_CODES[code];
  if (known !== undefined) return new AppError(known, undefined, { cause: error });
  // The framework's remaining complaints about a request are the caller's mistakes, and their texts are its own.
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new AppError('malformed_request', message, { cause: error });
  }
  return new AppError('internal', undefined, { cause: error });
}

function toIssue(issue: { instancePath: string; message?: string; params: object }): SchemaIssue {
  return {
    path: issue.instancePath.split('/').filter((part) => part !== ''),
    message: issue.message ?? 'invalid',
    unknownKeys: 'keys' in issue.params ? (issue.params.keys as string[]) : undefined,
  };
}

function summaryOf(fields: readonly FieldError[]): string {
  const first = fields[0];
  return first === undefined ? 'The request does not match its schema' : `${first.path}: ${first.message}`;
}
