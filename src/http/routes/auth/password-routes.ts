import { z } from 'zod';
import {
  type AccountDependencies,
  changePassword,
  createResetLink,
  requestPasswordReset,
  resendVerification,
  resetPassword,
  verifyEmail,
} from '../../../accounts/index.ts';
import { toTimestamp } from '../../../base/timestamps.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import {
  CheckMail,
  PasswordBody,
  ResetBody,
  ResetLink,
  ResetRequestBody,
  UserParams,
  VerifyEmailBody,
} from './schema.ts';
import { MAX_CREDENTIALS_BYTES, NOT_STORED } from './signed-in.ts';

const OPEN: RouteAccess = { kind: 'open' };
/** A leaked key must not be able to take the account over. */
const SESSION_ONLY: RouteAccess = { kind: 'user', scope: null };
const tags = ['auth'];

/** What is done with passwords and addresses beside signing in. */
export function passwordRoutes(app: App, deps: AccountDependencies): void {
  app.post(
    '/auth/password',
    {
      config: { access: SESSION_ONLY },
      bodyLimit: MAX_CREDENTIALS_BYTES,
      schema: {
        tags,
        summary: 'Change your password; your other sessions end',
        body: PasswordBody,
        response: { 204: z.null(), ...problemResponses(413, 415) },
      },
    },
    async (request, reply) => {
      const { current_password: currentPassword, new_password: newPassword } = request.body;
      await changePassword(deps, request.subject, { currentPassword, newPassword, clientAddress: request.ip });
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/auth/password/reset-request',
    {
      config: { access: OPEN },
      bodyLimit: MAX_CREDENTIALS_BYTES,
      schema: {
        tags,
        summary: 'Have a link for a new password sent to an address, if it has an account',
        body: ResetRequestBody,
        response: { 202: CheckMail, ...problemResponses(413, 415, 422) },
      },
    },
    async (request, reply) => {
      await requestPasswordReset(deps, request.body.email);
      return reply.code(202).send({ status: 'check_mail' });
    },
  );

  app.post(
    '/auth/password/reset',
    {
      config: { access: OPEN },
      bodyLimit: MAX_CREDENTIALS_BYTES,
      schema: {
        tags,
        summary: 'Set a new password by the token of a link; all sessions end',
        body: ResetBody,
        response: { 204: z.null(), ...problemResponses(413, 415, 422) },
      },
    },
    async (request, reply) => {
      const { token, new_password: newPassword } = request.body;
      await resetPassword(deps, { token, newPassword });
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/users/:user_id/password-reset-link',
    {
      config: { access: { kind: 'system', roles: ['super_admin'] } },
      schema: {
        tags,
        summary: 'Make a link by which a user can set a new password once; needs a sign-in of the last five minutes',
        params: UserParams,
        response: { 201: ResetLink, ...problemResponses(413, 415) },
      },
    },
    async (request, reply) => {
      const { url, token, expiresAt } = await createResetLink(deps, request.subject, request.params.user_id);
      return reply
        .code(201)
        .headers(NOT_STORED)
        .send({ url, token, expires_at: toTimestamp(expiresAt) });
    },
  );

  emailRoutes(app, deps);
}

function emailRoutes(app: App, deps: AccountDependencies): void {
  app.post(
    '/auth/verify-email',
    {
      config: { access: SESSION_ONLY },
      bodyLimit: MAX_CREDENTIALS_BYTES,
      schema: {
        tags,
        summary: 'Verify your address by the token from the mail',
        body: VerifyEmailBody,
        response: { 204: z.null(), ...problemResponses(413, 415, 422) },
      },
    },
    async (request, reply) => {
      await verifyEmail(deps, request.subject, request.body.token);
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/auth/verify-email/resend',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Have the mail with the token sent again',
        response: { 202: CheckMail, ...problemResponses(413, 415, 422) },
      },
    },
    async (request, reply) => {
      await resendVerification(deps, request.subject);
      return reply.code(202).send({ status: 'check_mail' });
    },
  );
}
