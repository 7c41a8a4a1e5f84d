import type { ErrorCode } from '../../src/errors/codes.ts';

/**
 * Everybody who may ask about the owner's things. The group has a share at `manage`, so that what its members may do is the
 * ceiling of their role. The capped key is one of the owner for everything, up to `read`; the key of the group is one of the
 * editor for everything in the group.
 */
export const CALLERS = [
  'owner',
  'shared_read',
  'shared_write',
  'shared_manage',
  'group_viewer',
  'group_editor',
  'group_admin',
  'former_member',
  'expired_share',
  'stranger',
  'guest',
  'welcome_guest',
  'key_read',
  'key_search',
  'key_ingest',
  'key_manage',
  'key_full',
  'key_capped',
  'key_of_group',
  'operator',
  'auditor',
  'super_admin',
  'bad_token',
] as const;
export type Caller = (typeof CALLERS)[number];

/** The status of a success, or the code of a refusal. */
export type Outcome = number | ErrorCode;

/** What a request is about. All belong to the owner, but for the public document, which belongs to nobody. */
export type Resource =
  | 'nothing'
  | 'document'
  | 'unshared document'
  | 'public document'
  | 'running document'
  | 'ended job'
  | 'waiting job'
  | 'cancelled job'
  | 'api key'
  | 'session'
  | 'account'
  | 'user'
  | 'provider'
  | 'queue'
  | 'fresh document'
  | 'fresh public document'
  | 'offered document'
  | 'share'
  | 'group'
  | 'fresh group'
  | 'fresh member'
  | 'fresh invitation'
  | 'fresh user'
  | 'fresh user and role';

export interface MatrixRow {
  /** As registered. */
  route: string;
  about: Resource;
  /** JSON, or `file` for an upload. `:id` stands for what it is about, `:stranger` for the stranger's user id. */
  body?: object | 'file';
  /** The query, with its question mark; likewise. */
  query?: string;
  outcomes: Record<Caller, Outcome>;
}

function everybody(outcome: Outcome): Record<Caller, Outcome> {
  return Object.fromEntries(CALLERS.map((caller) => [caller, outcome])) as Record<Caller, Outcome>;
}

const UNKNOWN_CALLERS = {
  guest: 'unauthenticated',
  welcome_guest: 'unauthenticated',
  bad_token: 'invalid_credentials',
} as const;

/** Needs an account; what it is about is the caller's own. */
function users(status: number, exceptions: Partial<Record<Caller, Outcome>> = {}): Record<Caller, Outcome> {
  return {
    ...everybody(status),
    ...UNKNOWN_CALLERS,
    ...exceptions,
  };
}

/** Refused alike whoever asks, once it is known who that is. */
function refused(code: ErrorCode, exceptions: Partial<Record<Caller, Outcome>> = {}): Record<Caller, Outcome> {
  return { ...everybody(code), ...UNKNOWN_CALLERS, ...exceptions };
}

const NO_KEYS = {
  key_read: 'forbidden',
  key_search: 'forbidden',
  key_ingest: 'forbidden',
  key_manage: 'forbidden',
  key_full: 'forbidden',
  key_capped: 'forbidden',
  key_of_group: 'forbidden',
} as const;
const READ_KEYS = { ...NO_KEYS, key_read: 200, key_full: 200, key_capped: 200, key_of_group: 200 } as const;
const SEARCH_KEYS = { ...NO_KEYS, key_search: 200, key_full: 200, key_capped: 200, key_of_group: 200 } as const;
const OUTSIDERS = {
  former_member: 'not_found',
  expired_share: 'not_found',
  stranger: 'not_found',
  // Those who run the system do not thereby read what is in it.
  operator: 'not_found',
  auditor: 'not_found',
  super_admin: 'not_found',
} as const;

const READ_OWN = users(200, { ...READ_KEYS, ...OUTSIDERS, welcome_guest: 'not_found' });
const READ_UNSHARED = users(200, {
  ...READ_KEYS,
  ...OUTSIDERS,
  key_of_group: 'not_found',
  shared_read: 'not_found',
  shared_write: 'not_found',
  shared_manage: 'not_found',
  group_viewer: 'not_found',
  group_editor: 'not_found',
  group_admin: 'not_found',
  welcome_guest: 'not_found',
});
const READ_PUBLIC = users(200, { ...READ_KEYS, key_of_group: 'not_found', welcome_guest: 200 });
const CHANGE_OWN = users(200, {
  ...NO_KEYS,
  ...OUTSIDERS,
  shared_read: 'forbidden',
  group_viewer: 'forbidden',
  key_ingest: 200,
  key_full: 200,
  key_of_group: 200,
});
const DELETE_OWN = users(204, {
  ...NO_KEYS,
  ...OUTSIDERS,
  shared_read: 'forbidden',
  shared_write: 'forbidden',
  shared_manage: 'forbidden',
  group_viewer: 'forbidden',
  group_editor: 'forbidden',
  group_admin: 'forbidden',
  key_full: 204,
});
/** A capped key is stopped before it is known what it asks about. */
const CHANGE_PUBLIC = refused('forbidden');
const PATCH_PUBLIC = { ...CHANGE_PUBLIC, key_of_group: 'not_found' } as const;
/** Jobs are seen by whoever asked for them; a share of the document is none of the job. Those who run the system see them all. */
const SEE_JOB = refused('not_found', {
  owner: 200,
  operator: 200,
  auditor: 200,
  super_admin: 200,
  guest: 'not_found',
  welcome_guest: 'not_found',
  ...READ_KEYS,
  key_of_group: 'not_found',
});
const STEER_JOB = refused('not_found', {
  owner: 202,
  operator: 202,
  auditor: 'forbidden',
  super_admin: 202,
  ...NO_KEYS,
  key_ingest: 202,
  key_full: 202,
  key_of_group: 'not_found',
});
const INGEST = users(202, { ...NO_KEYS, key_ingest: 202, key_full: 202, key_of_group: 202, welcome_guest: 202 });
const SEARCH = users(200, { ...SEARCH_KEYS, welcome_guest: 200 });
const OWN_KEY = refused('not_found', { owner: 204, ...NO_KEYS });

/** What members of the group see of it; the owner of the documents is none of them. */
const SEE_GROUP = refused('not_found', {
  group_viewer: 200,
  group_editor: 200,
  group_admin: 200,
  super_admin: 200,
  ...NO_KEYS,
  key_read: 'not_found',
  key_full: 'not_found',
  key_capped: 'not_found',
  key_of_group: 200,
});
function manageGroup(status: number, exceptions: Partial<Record<Caller, Outcome>> = {}): Record<Caller, Outcome> {
  const members = { group_viewer: 'forbidden', group_editor: 'forbidden', group_admin: status } as const;
  return refused('not_found', { ...members, ...NO_KEYS, ...exceptions });
}
/** Whoever manages a document; a key needs the scope. */
function manageDocument(status: number): Record<Caller, Outcome> {
  return users(status, {
    ...NO_KEYS,
    ...OUTSIDERS,
    shared_read: 'forbidden',
    shared_write: 'forbidden',
    group_viewer: 'forbidden',
    group_editor: 'forbidden',
    key_manage: status,
    key_full: status,
  });
}
/** Its owner, signed in. */
function ownDocument(status: number): Record<Caller, Outcome> {
  return { ...DELETE_OWN, owner: status, key_full: 'forbidden' };
}
const STRANGER_READS = { grantee_type: 'user', grantee_id: ':stranger', permission: 'read' };
const SHARED = { resource_type: 'document', resource_id: ':id' };
const OPERATORS = (status: number) => refused('forbidden', { operator: status, super_admin: status });
const SUPER_ADMIN_ONLY = (status: number) => refused('forbidden', { super_admin: status });

const QUERY = { query: 'otters' };

/** One row for each route, or more where it may be about different things. */
export const MATRIX: readonly MatrixRow[] = [
  { route: 'GET /livez', about: 'nothing', outcomes: everybody(200) },
  { route: 'GET /readyz', about: 'nothing', outcomes: everybody(200) },
  // From the machine itself; credentials of users count for nothing here.
  { route: 'GET /metrics', about: 'nothing', outcomes: everybody(200) },
  { route: 'GET /openapi.json', about: 'nothing', outcomes: everybody(200) },
  { route: 'GET /.well-known/jwks.json', about: 'nothing', outcomes: everybody(200) },

  {
    route: 'POST /auth/register',
    about: 'nothing',
    body: { email: 'ada@example.com', password: 'correct horse battery staple' },
    outcomes: everybody('email_taken'),
  },
  {
    route: 'POST /auth/login',
    about: 'nothing',
    body: { email: 'nobody@example.com', password: 'wrong horse battery staple' },
    outcomes: everybody('invalid_credentials'),
  },
  {
    route: 'POST /auth/refresh',
    about: 'nothing',
    body: { refresh_token: 'unknown' },
    outcomes: everybody('invalid_credentials'),
  },
  { route: 'POST /auth/logout', about: 'session', outcomes: users(204, NO_KEYS) },
  { route: 'POST /auth/logout-everywhere', about: 'account', outcomes: users(204, NO_KEYS) },
  {
    route: 'POST /auth/password',
    about: 'nothing',
    body: { current_password: 'wrong horse battery staple', new_password: 'another horse battery staple' },
    outcomes: refused('wrong_password', NO_KEYS),
  },
  {
    route: 'POST /auth/password/reset-request',
    about: 'nothing',
    body: { email: 'ada@example.com' },
    outcomes: everybody('mail_not_set_up'),
  },
  {
    route: 'POST /auth/password/reset',
    about: 'nothing',
    body: { token: 'unknown', new_password: 'another horse battery staple' },
    outcomes: everybody('invalid_token'),
  },
  {
    route: 'POST /users/:user_id/password-reset-link',
    about: 'user',
    outcomes: refused('forbidden', { super_admin: 201 }),
  },
  {
    route: 'POST /auth/verify-email',
    about: 'nothing',
    body: { token: 'unknown' },
    outcomes: refused('invalid_token', NO_KEYS),
  },
  {
    route: 'POST /auth/verify-email/resend',
    about: 'nothing',
    outcomes: refused('mail_not_set_up', NO_KEYS),
  },
  { route: 'GET /auth/oidc/:provider/login', about: 'provider', outcomes: everybody(302) },
  {
    route: 'GET /auth/oidc/:provider/callback',
    about: 'provider',
    query: '?state=unknown&code=x',
    outcomes: everybody('identity_refused'),
  },
  {
    route: 'POST /auth/oidc/:provider/link',
    about: 'provider',
    body: { password: 'wrong horse battery staple' },
    outcomes: refused('wrong_password', NO_KEYS),
  },
  {
    route: 'POST /auth/oidc/token',
    about: 'nothing',
    body: { code: 'unknown', code_verifier: 'v'.repeat(43) },
    outcomes: everybody('invalid_token'),
  },
  {
    route: 'DELETE /users/me',
    about: 'account',
    body: { password: 'correct horse battery staple' },
    outcomes: users(202, NO_KEYS),
  },
  { route: 'GET /users/me/export', about: 'nothing', outcomes: users(200, NO_KEYS) },
  { route: 'GET /auth/me', about: 'nothing', outcomes: users(200, READ_KEYS) },
  { route: 'POST /auth/api-keys', about: 'nothing', body: { name: 'another' }, outcomes: users(201, NO_KEYS) },
  {
    route: 'POST /auth/api-keys',
    about: 'nothing',
    body: { name: 'sweeper', scopes: ['content:expire'] },
    outcomes: OPERATORS(201),
  },
  { route: 'GET /auth/api-keys', about: 'nothing', outcomes: users(200, NO_KEYS) },
  { route: 'DELETE /auth/api-keys/:key_id', about: 'api key', outcomes: OWN_KEY },

  { route: 'POST /ingest/text', about: 'nothing', body: { text: 'Something new' }, outcomes: INGEST },
  { route: 'POST /ingest/file', about: 'nothing', body: 'file', outcomes: INGEST },
  { route: 'POST /ingest/web', about: 'nothing', body: { url: 'https://example.org/' }, outcomes: INGEST },

  { route: 'GET /jobs', about: 'nothing', outcomes: users(200, READ_KEYS) },
  { route: 'GET /jobs', about: 'nothing', query: '?all=true', outcomes: refused('forbidden', { super_admin: 200 }) },
  { route: 'GET /jobs/:job_id', about: 'ended job', outcomes: SEE_JOB },
  { route: 'GET /jobs/:job_id', about: 'waiting job', outcomes: SEE_JOB },
  { route: 'GET /jobs/:job_id/events', about: 'ended job', outcomes: SEE_JOB },
  { route: 'GET /jobs/:job_id/logs', about: 'ended job', outcomes: SEE_JOB },
  { route: 'GET /queues', about: 'nothing', outcomes: { ...OPERATORS(200), auditor: 200 } },
  {
    route: 'POST /queues/:queue/pause',
    about: 'queue',
    body: {},
    outcomes: OPERATORS(200),
  },
  {
    route: 'POST /queues/:queue/resume',
    about: 'queue',
    body: {},
    outcomes: OPERATORS(200),
  },
  { route: 'POST /jobs/redrive', about: 'nothing', body: {}, outcomes: OPERATORS(202) },
  { route: 'POST /jobs/:job_id/cancel', about: 'waiting job', outcomes: STEER_JOB },
  {
    route: 'POST /jobs/:job_id/cancel',
    about: 'ended job',
    outcomes: {
      ...STEER_JOB,
      owner: 'job_state_conflict',
      operator: 'job_state_conflict',
      super_admin: 'job_state_conflict',
      key_ingest: 'job_state_conflict',
      key_full: 'job_state_conflict',
    },
  },
  { route: 'POST /jobs/:job_id/retry', about: 'cancelled job', outcomes: STEER_JOB },

  { route: 'GET /documents', about: 'nothing', outcomes: users(200, { ...READ_KEYS, welcome_guest: 200 }) },
  { route: 'GET /documents', about: 'nothing', query: '?owner=me', outcomes: users(200, READ_KEYS) },
  ...['', '/chunks', '/content'].flatMap((part): MatrixRow[] => [
    { route: `GET /documents/:document_id${part}`, about: 'document', outcomes: READ_OWN },
    { route: `GET /documents/:document_id${part}`, about: 'unshared document', outcomes: READ_UNSHARED },
    { route: `GET /documents/:document_id${part}`, about: 'public document', outcomes: READ_PUBLIC },
  ]),
  { route: 'PATCH /documents/:document_id', about: 'document', body: { tags: ['seen'] }, outcomes: CHANGE_OWN },
  {
    route: 'PATCH /documents/:document_id',
    about: 'public document',
    body: { tags: ['seen'] },
    outcomes: PATCH_PUBLIC,
  },
  { route: 'DELETE /documents/:document_id', about: 'running document', outcomes: DELETE_OWN },
  {
    route: 'DELETE /documents/:document_id',
    about: 'fresh public document',
    outcomes: { ...CHANGE_PUBLIC, operator: 204, super_admin: 204 },
  },

  { route: 'GET /transfers', about: 'nothing', outcomes: users(200, NO_KEYS) },
  {
    route: 'POST /documents/:document_id/transfer',
    about: 'fresh document',
    body: { user_id: ':stranger' },
    outcomes: ownDocument(201),
  },
  { route: 'DELETE /documents/:document_id/transfer', about: 'offered document', outcomes: ownDocument(204) },
  {
    route: 'POST /documents/:document_id/transfer/accept',
    about: 'offered document',
    outcomes: refused('not_found', { ...NO_KEYS, stranger: 200 }),
  },
  {
    route: 'POST /documents/:document_id/transfer/decline',
    about: 'offered document',
    outcomes: refused('not_found', { ...NO_KEYS, stranger: 204 }),
  },
  { route: 'POST /documents/:document_id/publish', about: 'fresh document', outcomes: ownDocument(200) },
  { route: 'POST /documents/:document_id/publish', about: 'public document', outcomes: CHANGE_PUBLIC },

  {
    route: 'POST /shares',
    about: 'fresh document',
    body: { ...SHARED, ...STRANGER_READS },
    outcomes: manageDocument(201),
  },
  {
    route: 'POST /shares',
    about: 'fresh document',
    body: { ...SHARED, ...STRANGER_READS, permission: 'manage' },
    outcomes: { ...manageDocument(201), shared_manage: 'forbidden', group_admin: 'forbidden' },
  },
  {
    route: 'GET /shares',
    about: 'document',
    query: '?resource_type=document&resource_id=:id',
    outcomes: manageDocument(200),
  },
  {
    route: 'GET /shares',
    about: 'group',
    query: '?group_id=:id',
    outcomes: {
      ...manageGroup(200, {
        group_editor: 200,
        key_manage: 'not_found',
        key_full: 'not_found',
        key_capped: 'not_found',
        key_of_group: 200,
      }),
    },
  },
  {
    route: 'DELETE /shares/:share_id',
    about: 'share',
    outcomes: {
      ...manageDocument(204),
      shared_read: 'not_found',
      shared_write: 'not_found',
      group_viewer: 'not_found',
      group_editor: 'not_found',
      key_capped: 'not_found',
      key_of_group: 'not_found',
    },
  },

  { route: 'GET /groups', about: 'nothing', outcomes: users(200, READ_KEYS) },
  { route: 'POST /groups', about: 'nothing', body: { name: 'Herons' }, outcomes: users(201, NO_KEYS) },
  { route: 'GET /groups/:group_id', about: 'group', outcomes: SEE_GROUP },
  { route: 'PATCH /groups/:group_id', about: 'group', body: { name: 'Otters' }, outcomes: manageGroup(200) },
  { route: 'DELETE /groups/:group_id', about: 'fresh group', outcomes: manageGroup(204, { super_admin: 204 }) },
  { route: 'GET /groups/:group_id/members', about: 'group', outcomes: SEE_GROUP },
  {
    route: 'POST /groups/:group_id/members',
    about: 'group',
    body: { email: 'nobody@example.com', role: 'viewer' },
    outcomes: manageGroup(201),
  },
  {
    route: 'PATCH /groups/:group_id/members/:user_id',
    about: 'fresh member',
    body: { role: 'editor' },
    outcomes: manageGroup(200),
  },
  {
    route: 'PATCH /groups/:group_id/members/:user_id',
    about: 'fresh member',
    body: { role: 'admin' },
    outcomes: manageGroup(200, { super_admin: 200 }),
  },
  { route: 'DELETE /groups/:group_id/members/:user_id', about: 'fresh member', outcomes: manageGroup(204) },
  { route: 'GET /groups/:group_id/invitations', about: 'group', outcomes: manageGroup(200) },
  {
    route: 'POST /groups/:group_id/invitations',
    about: 'group',
    body: { email: 'nobody@example.com', role: 'viewer' },
    outcomes: manageGroup(201),
  },
  {
    route: 'DELETE /groups/:group_id/invitations/:invitation_id',
    about: 'fresh invitation',
    outcomes: manageGroup(204),
  },
  {
    route: 'POST /invitations/accept',
    about: 'nothing',
    body: { token: 'unknown' },
    outcomes: refused('invalid_token', NO_KEYS),
  },

  { route: 'GET /users', about: 'nothing', outcomes: SUPER_ADMIN_ONLY(200) },
  { route: 'GET /users/:user_id', about: 'fresh user', outcomes: SUPER_ADMIN_ONLY(200) },
  {
    route: 'PATCH /users/:user_id',
    about: 'fresh user',
    body: { status: 'disabled' },
    outcomes: SUPER_ADMIN_ONLY(200),
  },
  { route: 'GET /admin/audit', about: 'nothing', outcomes: { ...SUPER_ADMIN_ONLY(200), auditor: 200 } },
  { route: 'GET /admin/stats', about: 'nothing', outcomes: OPERATORS(200) },
  { route: 'DELETE /admin/content/expired', about: 'nothing', outcomes: OPERATORS(200) },
  { route: 'PUT /users/:user_id/roles/:role', about: 'fresh user and role', outcomes: SUPER_ADMIN_ONLY(204) },
  { route: 'DELETE /users/:user_id/roles/:role', about: 'fresh user and role', outcomes: SUPER_ADMIN_ONLY(204) },

  {
    route: 'GET /groups/:group_id/policy',
    about: 'group',
    outcomes: { ...SEE_GROUP, super_admin: 'not_found' },
  },
  {
    route: 'PUT /groups/:group_id/policy',
    about: 'group',
    body: { pii_policy: 'off' },
    outcomes: manageGroup(200),
  },
  { route: 'GET /groups/:group_id/usage', about: 'group', outcomes: { ...SEE_GROUP, super_admin: 'not_found' } },
  { route: 'GET /users/me/usage', about: 'nothing', outcomes: users(200, READ_KEYS) },
  { route: 'GET /admin/quotas/users/:user_id', about: 'fresh user', outcomes: SUPER_ADMIN_ONLY(200) },
  { route: 'PUT /admin/quotas/users/:user_id', about: 'fresh user', body: {}, outcomes: SUPER_ADMIN_ONLY(200) },
  { route: 'GET /admin/quotas/groups/:group_id', about: 'group', outcomes: SUPER_ADMIN_ONLY(200) },
  { route: 'PUT /admin/quotas/groups/:group_id', about: 'group', body: {}, outcomes: SUPER_ADMIN_ONLY(200) },

  { route: 'POST /search/keyword', about: 'nothing', body: QUERY, outcomes: SEARCH },
  { route: 'POST /search/vector', about: 'nothing', body: QUERY, outcomes: SEARCH },
  { route: 'POST /search/hybrid', about: 'nothing', body: QUERY, outcomes: SEARCH },
  { route: 'POST /search/knowledge', about: 'nothing', body: QUERY, outcomes: SEARCH },
  { route: 'POST /search/knowledge', about: 'nothing', body: { ...QUERY, stream: true }, outcomes: SEARCH },
];
