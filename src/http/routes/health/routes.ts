import { z } from 'zod';
import { AppError } from '../../../errors/app-error.ts';
import type { App } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';

/** A named check throws a sentence that says what is wrong. */
export type ReadinessChecks = Record<string, () => Promise<void>>;

export function healthRoutes(app: App, checks: ReadinessChecks): void {
  const tags = ['health'];
  app.get(
    '/livez',
    {
      config: { access: { kind: 'open' } },
      schema: {
        tags,
        summary: 'Whether the process runs',
        response: { 200: z.object({ status: z.literal('ok') }), ...problemResponses() },
      },
    },
    async () => ({ status: 'ok' as const }),
  );
  app.get(
    '/readyz',
    {
      config: { access: { kind: 'open' } },
      schema: {
        tags,
        summary: 'Whether requests can be served',
        response: {
          200: z.object({ status: z.literal('ready'), checks: z.record(z.string(), z.literal('ok')) }),
          ...problemResponses(),
        },
      },
    },
    async () => {
      const names = Object.keys(checks);
      for (const name of names) await passCheck(name, checks[name]!);
      return { status: 'ready' as const, checks: Object.fromEntries(names.map((name) => [name, 'ok' as const])) };
    },
  );
}

async function passCheck(name: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    const reason = error instanceof AppError ? error.detail : 'the check failed';
    throw new AppError('not_ready', `${name}: ${reason}`, { cause: error, retryAfterSeconds: 1 });
  }
}
