import { recordDenial } from '../../audit/index.ts';
import type { Database } from '../../db/database.ts';
import { hasCode } from '../../errors/app-error.ts';
import type { App } from '../app-types.ts';

/**
 * Notes in the audit log who was refused what only those who run the system may do. Those who have not said who they are leave
 * nothing there: they could fill it. Add it before the routes, and after what decides about access.
 */
export function recordDenials(app: App, { db }: { db: Database }): void {
  app.addHook('onError', async (request, _reply, error) => {
    const { access } = request.routeOptions.config;
    if (access?.kind !== 'system' || request.subject?.userId == null || !hasCode(error, 'forbidden')) return;
    const route = `${request.method} ${request.routeOptions.url}`;
    // The refusal stands whether it can be written down or not.
    await db.batch([recordDenial(request.subject, route)]).catch((failure: unknown) => {
      request.log.warn({ err: failure, route }, 'a refusal could not be recorded');
    });
  });
}
