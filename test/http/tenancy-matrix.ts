import type { ErrorCode } from '../../src/errors/codes.ts';

/**
 * Everybody who may ask about the owner's things. The group has a share at `manage`, so that what its members may do is the
 * ceiling of their role.
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
  | 'queue';

export interface MatrixRow {
  /** As registered. */
  route: string;
  about: Resource;
  /** JSON, or `file` for an upload. */
  body?: object | 'file';
  /** The query, with its question mark. */
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
} as const;
const READ_KEYS = { ...NO_KEYS, key_read: 200, key_full: 200 } as const;
const SEARCH_KEYS = { ...NO_KEYS, key_search: 200, key_full: 200 } as const;
const OUTSIDERS = {
  former_member: 'not_found',
  expired_share: 'not_found',
  stranger: 'not_found',
  // Those who run the system do not thereby read what is in it.
  super_admin: 'not_found',
} as const;

const READ_OWN = users(200, { ...READ_KEYS, ...OUTSIDERS, welcome_guest: 'not_found' });
const READ_UNSHARED = users(200, {
  ...READ_KEYS,
  ...OUTSIDERS,
  shared_read: 'not_found',
  shared_write: 'not_found',
  shared_manage: 'not_found',
  group_viewer: 'not_found',
  group_editor: 'not_found',
  group_admin: 'not_found',
  welcome_guest: 'not_found',
});
const READ_PUBLIC = users(200, { ...READ_KEYS, welcome_guest: 200 });
const CHANGE_OWN = users(200, {
  ...NO_KEYS,
  ...OUTSIDERS,
  shared_read: 'forbidden',
  group_viewer: 'forbidden',
  key_ingest: 200,
  key_full: 200,
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
const CHANGE_PUBLIC = refused('forbidden');
/** Jobs are seen by whoever asked for them; a share of the document is none of the job. Those who run the system see them all. */
const SEE_JOB = refused('not_found', {
  owner: 200,
  super_admin: 200,
  guest: 'not_found',
  welcome_guest: 'not_found',
  ...READ_KEYS,
});
const STEER_JOB = refused('not_found', {
  owner: 202,
  super_admin: 202,
  ...NO_KEYS,
  key_ingest: 202,
  key_full: 202,
});
const INGEST = users(202, { ...NO_KEYS, key_ingest: 202, key_full: 202, welcome_guest: 202 });
const SEARCH = users(200, { ...SEARCH_KEYS, welcome_guest: 200 });
const OWN_KEY = refused('not_found', { owner: 204, ...NO_KEYS });

const QUERY = { query: 'otters' };

/** One row for each route, or more where it may be about different things. */
export const MATRIX: readonly MatrixRow[] = [
  { route: 'GET /livez', about: 'nothing', outcomes: everybody(200) },
  { route: 'GET /readyz', about: 'nothing', outcomes: everybody(200) },
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
  { route: 'GET /auth/me', about: 'nothing', outcomes: users(200, READ_KEYS) },
  { route: 'POST /auth/api-keys', about: 'nothing', body: { name: 'another' }, outcomes: users(201, NO_KEYS) },
  {
    route: 'POST /auth/api-keys',
    about: 'nothing',
    body: { name: 'sweeper', scopes: ['content:expire'] },
    outcomes: refused('forbidden', { super_admin: 201 }),
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
  { route: 'GET /queues', about: 'nothing', outcomes: refused('forbidden', { super_admin: 200 }) },
  {
    route: 'POST /queues/:queue/pause',
    about: 'queue',
    body: {},
    outcomes: refused('forbidden', { super_admin: 200 }),
  },
  {
    route: 'POST /queues/:queue/resume',
    about: 'queue',
    body: {},
    outcomes: refused('forbidden', { super_admin: 200 }),
  },
  { route: 'POST /jobs/redrive', about: 'nothing', body: {}, outcomes: refused('forbidden', { super_admin: 202 }) },
  { route: 'POST /jobs/:job_id/cancel', about: 'waiting job', outcomes: STEER_JOB },
  {
    route: 'POST /jobs/:job_id/cancel',
    about: 'ended job',
    outcomes: {
      ...STEER_JOB,
      owner: 'job_state_conflict',
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
    outcomes: CHANGE_PUBLIC,
  },
  { route: 'DELETE /documents/:document_id', about: 'running document', outcomes: DELETE_OWN },
  { route: 'DELETE /documents/:document_id', about: 'public document', outcomes: CHANGE_PUBLIC },

  { route: 'POST /search/keyword', about: 'nothing', body: QUERY, outcomes: SEARCH },
  { route: 'POST /search/vector', about: 'nothing', body: QUERY, outcomes: SEARCH },
  { route: 'POST /search/hybrid', about: 'nothing', body: QUERY, outcomes: SEARCH },
  { route: 'POST /search/knowledge', about: 'nothing', body: QUERY, outcomes: SEARCH },
  { route: 'POST /search/knowledge', about: 'nothing', body: { ...QUERY, stream: true }, outcomes: SEARCH },
];
