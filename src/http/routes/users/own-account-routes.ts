import type { z } from 'zod';
import { type ErasureStarted, eraseAccount, exportAccount, zipEntries } from '../../../accounts/index.ts';
import type { QuotaDefaults } from '../../../quotas/index.ts';
import type { Storage } from '../../../storage/index.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import type { AuthRouteDependencies } from '../auth/routes.ts';
import { MAX_CREDENTIALS_BYTES, NOT_STORED } from '../auth/signed-in.ts';
import { Archive, EraseBody, Erasure } from './schema.ts';

/** A leaked key must neither end the account nor carry everything off. */
const SESSION_ONLY: RouteAccess = { kind: 'user', scope: null };
/** A copy reads everything there is. */
const EXPORTS_PER_MINUTE = 3;

/** What people may do with all that is kept of them. */
export function ownAccountRoutes(
  app: App,
  { auth, storage, quotas }: { auth: AuthRouteDependencies; storage: Storage; quotas: QuotaDefaults },
): void {
  const tags = ['users'];

  app.delete(
    '/users/me',
    {
      config: { access: SESSION_ONLY },
      bodyLimit: MAX_CREDENTIALS_BYTES,
      // Who has nothing to say sends nothing: many a client has no body for a DELETE.
      preValidation: async (request) => {
        request.body ??= {};
      },
      schema: {
        tags,
        summary: 'Erase your account and everything tied to it, for good',
        description:
          'From the answer on nobody can sign in to the account and nothing of it is in any answer; the job removes the rest. ' +
          'Needs a sign-in of the last five minutes or, later, your password.',
        body: EraseBody,
        response: { 202: Erasure, ...problemResponses(409, 413, 415) },
      },
    },
    async (request, reply) => {
      const password = request.body.password ?? null;
      const started = await eraseAccount(auth, request.subject, { password, clientAddress: request.ip });
      const answer = erasureToJson(started);
      return reply.code(202).headers(NOT_STORED).header('location', answer.status_url).send(answer);
    },
  );

  app.get(
    '/users/me/export',
    {
      config: { access: SESSION_ONLY, rateLimit: { max: EXPORTS_PER_MINUTE } },
      schema: {
        tags,
        summary: 'A copy of everything that is kept of you, as a ZIP archive',
        response: {
          200: {
            description: 'JSON, lines of JSON, texts and original files',
            content: { 'application/zip': { schema: Archive } },
          },
          ...problemResponses(),
        },
      },
    },
    async (request, reply) => {
      const entries = await exportAccount({ ...auth, storage, quotas }, request.subject);
      return reply
        .headers(NOT_STORED)
        .header('content-type', 'application/zip')
        .header('content-disposition', 'attachment; filename="anyrag-export.zip"')
        .serializer((body: unknown) => body as string)
        .send(zipEntries(entries) as never);
    },
  );
}

function erasureToJson({ jobId, jobToken }: ErasureStarted): z.infer<typeof Erasure> {
  return { job_id: jobId, job_token: jobToken, status: 'pending', status_url: `/jobs/${jobId}` };
}
