import type { Socket } from 'node:net';
import { newId } from '../base/ids.ts';
import { AppError } from '../errors/app-error.ts';
import { ERROR_CODES } from '../errors/codes.ts';
import { newTrace, traceparentOf } from '../telemetry/trace-context.ts';
import { problemOf } from './problem.ts';
import { PROBLEM_MEDIA_TYPE } from './problem-schema.ts';

const DETAILS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'The headers are larger than allowed',
  ERR_HTTP_REQUEST_TIMEOUT: 'The request took too long to arrive',
};

/** Answers what is no HTTP request at all, and so never becomes one, and ends the connection. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  // The client is gone, or an answer is on its way already and must not be written into.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const trace = newTrace();
  const problem = new AppError('malformed_request', DETAILS[error.code ?? ''] ?? 'This is not a valid HTTP request');
  const body = JSON.stringify(problemOf(problem, '', trace.traceId));
  const { status } = ERROR_CODES[problem.code];
  socket.end(
    [
      `HTTP/1.1 ${status} Bad Request`,
      `content-type: ${PROBLEM_MEDIA_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${newId()}`,
      `traceparent: ${traceparentOf(trace)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
