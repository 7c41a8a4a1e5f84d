import { z } from 'zod';
import {
  acceptInvitation,
  type Invitation,
  type InvitationDependencies,
  invite,
  listInvitations,
  revokeInvitation,
} from '../../../accounts/index.ts';
import { decodeCursor, encodeCursor } from '../../../base/cursor.ts';
import { toTimestamp, toTimestampOrNull } from '../../../base/timestamps.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { optionalInstantToMs, PageQuery, pageOf } from '../../schemas.ts';
import { groupToJson } from './group-json.ts';
import {
  AcceptBody,
  CreatedInvitation,
  GroupParams,
  Group as GroupSchema,
  InvitationBody,
  InvitationList,
  InvitationParams,
} from './schema.ts';

/** A key lets nobody into a group. */
const SESSION_ONLY: RouteAccess = { kind: 'user', scope: null };
/** RFC 6749 §5.1: answers with credentials in them stay out of caches. */
const NOT_STORED = { 'cache-control': 'no-store' };

export function invitationRoutes(app: App, deps: InvitationDependencies): void {
  const tags = ['groups'];

  app.post(
    '/groups/:group_id/invitations',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Invite an address into a group; for its admins',
        params: GroupParams,
        body: InvitationBody,
        response: { 201: CreatedInvitation, ...problemResponses(409, 413, 415, 422) },
      },
    },
    async (request, reply) => {
      const { email, role, expires_at } = request.body;
      const memberUntil = optionalInstantToMs(expires_at) ?? null;
      const { invitation, token, link } = await invite(deps, request.subject, request.params.group_id, {
        email,
        role,
        memberUntil,
      });
      return reply
        .code(201)
        .headers(NOT_STORED)
        .send({ ...invitationToJson(invitation), token, link });
    },
  );

  app.get(
    '/groups/:group_id/invitations',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Open invitations, newest first; for admins of the group',
        params: GroupParams,
        querystring: PageQuery,
        response: { 200: InvitationList, ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const beforeId = cursor === undefined ? null : decodeCursor(cursor, ['string'])[0];
      const page = { beforeId, limit: limit + 1 };
      const invitations = await listInvitations(deps, request.subject, request.params.group_id, page);
      return pageOf(invitations, limit, invitationToJson, ({ invitationId }) => encodeCursor([invitationId]));
    },
  );

  app.delete(
    '/groups/:group_id/invitations/:invitation_id',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Take an invitation back',
        params: InvitationParams,
        response: { 204: z.null(), ...problemResponses() },
      },
    },
    async (request, reply) => {
      const { group_id, invitation_id } = request.params;
      await revokeInvitation(deps, request.subject, group_id, invitation_id);
      return reply.code(204).send(null);
    },
  );

  app.post(
    '/invitations/accept',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Accept an invitation to your address',
        body: AcceptBody,
        response: { 200: GroupSchema, ...problemResponses(413, 415, 422) },
      },
    },
    async (request) => groupToJson(await acceptInvitation(deps, request.subject, request.body)),
  );
}

function invitationToJson(invitation: Invitation) {
  return {
    invitation_id: invitation.invitationId,
    group_id: invitation.groupId,
    email: invitation.email,
    role: invitation.role,
    invited_by: invitation.invitedBy,
    created_at: toTimestamp(invitation.createdAt),
    expires_at: toTimestamp(invitation.expiresAt),
    member_until: toTimestampOrNull(invitation.memberUntil),
  };
}
