import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';

const MODULE = new URL('./logger.ts', import.meta.url).href;

/** The lines of a process that logs and dies at once: what is not written synchronously is lost. */
function logged(code: string): Record<string, unknown>[] {
  const script = `
    import { activeTrace, createLogger } from ${JSON.stringify(MODULE)};
    const log = createLogger({ level: 'info', service: 'worker' });
    ${code}
    process.kill(process.pid, 'SIGKILL');`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module-typescript', '--eval', script], {
    encoding: 'utf8',
  });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}

describe('a log line', () => {
  test('has the fields that others rely on, and is there when the process is killed right after it', () => {
    expect(logged("log.info({ event: 'job.started', n: 1 }, 'job started');")).toEqual([
      {
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        service: 'worker',
        pid: expect.any(Number),
        event: 'job.started',
        n: 1,
        msg: 'job started',
      },
    ]);
  });

  test('names the trace that the code runs in', () => {
    const trace = "{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true }";

    const [inside, outside] = logged(`activeTrace.run(${trace}, () => log.info('in')); log.info('out');`);

    expect(inside).toMatchObject({ trace_id: 'a'.repeat(32), span_id: 'b'.repeat(16) });
    expect(outside).not.toHaveProperty('trace_id');
  });

  test('never shows a secret, at the top or one level deep', () => {
    const [line] = logged(
      "log.info({ password: 'p1', headers: { authorization: 'p2', cookie: 'p3' }, key: { api_key: 'p4' } }, 'x');",
    );

    expect(JSON.stringify(line)).not.toMatch(/p[1-4]"/);
  });

  test('carries the stack and the cause of an error', () => {
    const [line] = logged("log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed');");

    expect(line).toMatchObject({ level: 'error', err: { message: expect.stringContaining('outer') } });
    expect(JSON.stringify(line)).toContain('inner');
  });

  test('below the level is not written', () => {
    expect(logged("log.debug('x');")).toEqual([]);
  });
});
