import { AsyncLocalStorage } from 'node:async_hooks';
import { type DestinationStream, type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { TraceContext } from './trace-context.ts';

export type { Logger } from 'pino';

/** The trace that the running code belongs to, if any; every log line written inside carries its ids. */
export const activeTrace = new AsyncLocalStorage<TraceContext>();

/** Keys whose values are never written, wherever they appear one level deep. */
const SECRET_FIELDS = ['authorization', 'cookie', 'password', 'token', 'api_key', 'secret'];

/**
 * JSON lines on stdout, readable ones on a terminal unless `isJson`; on stderr for commands, whose output is on stdout. Written
 * synchronously: a line that was logged before a crash or a kill is there, which an asynchronous destination does not give.
 */
export function createLogger(options: {
  level: string;
  service: 'api' | 'worker' | 'up' | 'cli';
  isJson?: boolean;
}): Logger {
  const stream = options.service === 'cli' ? process.stderr : process.stdout;
  const destination: DestinationStream =
    stream.isTTY && options.isJson !== true
      ? pretty({
          destination: stream.fd,
          sync: true,
          singleLine: true,
          ignore: 'pid,hostname,service,span_id',
          translateTime: 'HH:MM:ss.l',
        })
      : pino.destination({ fd: stream.fd, sync: true });
  return pino(
    {
      level: options.level,
      base: { service: options.service, pid: process.pid },
      messageKey: 'msg',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
      mixin: () => {
        const trace = activeTrace.getStore();
        return trace === undefined ? {} : { trace_id: trace.traceId, span_id: trace.spanId };
      },
    },
    destination,
  );
}
