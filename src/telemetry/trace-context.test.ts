import { describe, expect, test } from 'vitest';
import { continueTrace, newTrace, traceIdIn, traceparentOf } from './trace-context.ts';

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const HEADER = `00-${TRACE_ID}-b7ad6b7169203331-01`;

describe('a traceparent', () => {
  test('is continued with a span of our own', () => {
    const trace = continueTrace(HEADER)!;

    expect(trace).toEqual({ traceId: TRACE_ID, spanId: expect.stringMatching(/^[0-9a-f]{16}$/), sampled: true });
    expect(trace.spanId).not.toBe('b7ad6b7169203331');
  });

  test.each([
    ['01', true],
    ['03', true],
    ['00', false],
    ['02', false],
  ])('with the flags %s is sampled: %s', (flags, sampled) => {
    expect(continueTrace(`00-${TRACE_ID}-b7ad6b7169203331-${flags}`)?.sampled).toBe(sampled);
  });

  test.each([
    undefined,
    null,
    '',
    'nonsense',
    `01-${TRACE_ID}-b7ad6b7169203331-01`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-${TRACE_ID}-${'0'.repeat(16)}-01`,
    `00-${TRACE_ID.toUpperCase()}-b7ad6b7169203331-01`,
    `${HEADER}-extra`,
    `${HEADER}\n`,
  ])('that is %j is not continued', (header) => {
    expect(continueTrace(header)).toBeNull();
  });

  test('of a new trace can be continued', () => {
    const trace = newTrace();

    expect(traceparentOf(trace)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(continueTrace(traceparentOf(trace))?.traceId).toBe(trace.traceId);
    expect(traceparentOf({ ...trace, sampled: false })).toMatch(/-00$/);
  });

  test('tells its trace id', () => {
    expect(traceIdIn(HEADER)).toBe(TRACE_ID);
    expect(traceIdIn(null)).toBeNull();
    expect(traceIdIn('nonsense')).toBeNull();
  });
});
