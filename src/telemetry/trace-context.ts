import { pooledRandomBytes } from '../base/random.ts';

/** Where in a trace we are (W3C Trace Context, level 1). */
export interface TraceContext {
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
  sampled: boolean;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

export function newTrace(): TraceContext {
  return { traceId: pooledRandomBytes(16).toString('hex'), spanId: newSpanId(), sampled: true };
}

/** The caller's trace with a span of our own, or null where the header is absent or malformed. */
export function continueTrace(traceparent: string | undefined | null): TraceContext | null {
  const match = TRACEPARENT.exec(traceparent ?? '');
  if (match === null || /^0+$/.test(match[1]!) || /^0+$/.test(match[2]!)) return null;
  return { traceId: match[1]!, spanId: newSpanId(), sampled: (Number.parseInt(match[3]!, 16) & 1) === 1 };
}

export function traceparentOf(trace: TraceContext): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`;
}

/** The trace id inside a stored traceparent, or null. */
export function traceIdIn(traceparent: string | null): string | null {
  return TRACEPARENT.exec(traceparent ?? '')?.[1] ?? null;
}

function newSpanId(): string {
  return pooledRandomBytes(8).toString('hex');
}
