import { z } from 'zod';
import {
  addMember,
  changeGroup,
  changeMember,
  createGroup,
  type InvitationDependencies,
  listGroups,
  listMembers,
  type Member,
  readGroup,
  removeGroup,
  removeMember,
} from '../../../accounts/index.ts';
import { decodeCursor, encodeCursor } from '../../../base/cursor.ts';
import { toTimestamp, toTimestampOrNull } from '../../../base/timestamps.ts';
import type { App, RouteAccess } from '../../app-types.ts';
import { problemResponses } from '../../problem-schema.ts';
import { optionalInstantToMs, PageQuery, pageOf } from '../../schemas.ts';
import { groupToJson } from './group-json.ts';
import { invitationRoutes } from './invitation-routes.ts';
import {
  AddedMember,
  GroupBody,
  GroupList,
  GroupParams,
  Group as GroupSchema,
  MemberList,
  MemberParams,
  MemberPatch,
  Member as MemberSchema,
  NewMemberBody,
} from './schema.ts';

const READ: RouteAccess = { kind: 'user', scope: 'read' };
/** A key changes no memberships, whatever its scopes: a leaked one must not let others in. */
const SESSION_ONLY: RouteAccess = { kind: 'user', scope: null };

export function groupRoutes(app: App, deps: InvitationDependencies): void {
  const tags = ['groups'];

  app.post(
    '/groups',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Make a group; you are its first admin',
        body: GroupBody,
        response: { 201: GroupSchema, ...problemResponses(413, 415) },
      },
    },
    async (request, reply) => {
      const group = await createGroup(deps, request.subject, request.body.name);
      return reply.code(201).header('location', `/groups/${group.groupId}`).send(groupToJson(group));
    },
  );

  app.get(
    '/groups',
    {
      config: { access: READ },
      schema: {
        tags,
        summary: 'Groups you are in, newest first',
        querystring: PageQuery,
        response: { 200: GroupList, ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const beforeId = cursor === undefined ? null : decodeCursor(cursor, ['string'])[0];
      const groups = await listGroups(deps, request.subject, { beforeId, limit: limit + 1 });
      return pageOf(groups, limit, groupToJson, ({ groupId }) => encodeCursor([groupId]));
    },
  );

  app.get(
    '/groups/:group_id',
    {
      config: { access: READ },
      schema: { tags, summary: 'A group', params: GroupParams, response: { 200: GroupSchema, ...problemResponses() } },
    },
    async (request) => groupToJson(await readGroup(deps, request.subject, request.params.group_id)),
  );

  app.patch(
    '/groups/:group_id',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Rename a group; for its admins',
        params: GroupParams,
        body: GroupBody,
        response: { 200: GroupSchema, ...problemResponses(413, 415) },
      },
    },
    async (request) => groupToJson(await changeGroup(deps, request.subject, request.params.group_id, request.body)),
  );

  app.delete(
    '/groups/:group_id',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Delete a group and all that was shared with it; documents stay with their owners',
        params: GroupParams,
        response: { 204: z.null(), ...problemResponses() },
      },
    },
    async (request, reply) => {
      await removeGroup(deps, request.subject, request.params.group_id);
      return reply.code(204).send(null);
    },
  );

  memberRoutes(app, deps);
  invitationRoutes(app, deps);
}

function memberRoutes(app: App, deps: InvitationDependencies): void {
  const tags = ['groups'];

  app.get(
    '/groups/:group_id/members',
    {
      config: { access: READ },
      schema: {
        tags,
        summary: 'Members of a group by name, for its members',
        params: GroupParams,
        querystring: PageQuery,
        response: { 200: MemberList, ...problemResponses() },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const after = cursor === undefined ? null : positionIn(cursor);
      const members = await listMembers(deps, request.subject, request.params.group_id, { after, limit: limit + 1 });
      return pageOf(members, limit, memberToJson, ({ createdAt, userId }) => encodeCursor([createdAt, userId]));
    },
  );

  app.post(
    '/groups/:group_id/members',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Add a member; for admins of the group',
        params: GroupParams,
        body: NewMemberBody,
        response: { 201: AddedMember, ...problemResponses(409, 413, 415, 422) },
      },
    },
    async (request, reply) => {
      const { user_id, email, role, expires_at } = request.body;
      const who = user_id === undefined ? { email: email! } : { userId: user_id };
      const added = await addMember(deps, request.subject, request.params.group_id, {
        who,
        role,
        expiresAt: optionalInstantToMs(expires_at) ?? null,
      });
      return reply
        .code(201)
        .send({ user_id: added.userId, role: added.role, expires_at: toTimestampOrNull(added.expiresAt) });
    },
  );

  app.patch(
    '/groups/:group_id/members/:user_id',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Change the role of a member, or when the membership ends',
        params: MemberParams,
        body: MemberPatch,
        response: { 200: MemberSchema, ...problemResponses(409, 413, 415, 422) },
      },
    },
    async (request) => {
      const { group_id, user_id } = request.params;
      const { role, expires_at } = request.body;
      const change = { userId: user_id, role, expiresAt: optionalInstantToMs(expires_at) };
      return memberToJson(await changeMember(deps, request.subject, group_id, change));
    },
  );

  app.delete(
    '/groups/:group_id/members/:user_id',
    {
      config: { access: SESSION_ONLY },
      schema: {
        tags,
        summary: 'Remove a member, or leave the group',
        params: MemberParams,
        response: { 204: z.null(), ...problemResponses(409) },
      },
    },
    async (request, reply) => {
      const { group_id, user_id } = request.params;
      await removeMember(deps, request.subject, group_id, user_id);
      return reply.code(204).send(null);
    },
  );
}

function positionIn(cursor: string) {
  const [createdAt, userId] = decodeCursor(cursor, ['number', 'string']);
  return { createdAt, userId };
}

function memberToJson(member: Member): z.infer<typeof MemberSchema> {
  return {
    user_id: member.userId,
    name: member.name,
    role: member.role,
    created_at: toTimestamp(member.createdAt),
    expires_at: toTimestampOrNull(member.expiresAt),
  };
}
