import { z } from 'zod';
import { API_KEY_SCOPES } from '../../../access/index.ts';
import { Id, InstantInput, Label, ListOf, PageQuery, Timestamp } from '../../schemas.ts';

/** Bounds what is read at all; whether it is an address or a good password is decided behind. */
const MAX_INPUT_CHARS = 1_024;
const EmailInput = z.string().min(1).max(MAX_INPUT_CHARS).meta({ format: 'email' });
const PasswordInput = z.string().min(1).max(MAX_INPUT_CHARS).meta({ format: 'password' });
const Token = z.string().min(1).max(MAX_INPUT_CHARS);
const NewPassword = PasswordInput.meta({ description: '12 to 128 characters, none of the most common passwords' });

export const RegisterBody = z
  .strictObject({
    email: EmailInput,
    password: NewPassword,
    name: Label(200).optional(),
    invitation_token: Token.optional().meta({ description: 'From the mail that invites you' }),
  })
  .meta({ id: 'RegisterBody' });

export const LoginBody = z.strictObject({ email: EmailInput, password: PasswordInput }).meta({ id: 'LoginBody' });

export const RefreshBody = z.strictObject({ refresh_token: Token }).meta({ id: 'RefreshBody' });

export const RefreshHeaders = z.object({
  'idempotency-key': z.string().min(16).max(255).optional().meta({
    description: 'Random and new for each exchange: under it the exchange may be repeated for ten seconds',
  }),
});

/** Says the same whether an account was made or there was one. */
export const CheckMail = z.object({ status: z.literal('check_mail') }).meta({ id: 'CheckMail' });

export const PasswordBody = z
  .strictObject({ current_password: PasswordInput, new_password: NewPassword })
  .meta({ id: 'PasswordBody' });

export const ResetRequestBody = z.strictObject({ email: EmailInput }).meta({ id: 'ResetRequestBody' });

export const ResetBody = z.strictObject({ token: Token, new_password: NewPassword }).meta({ id: 'ResetBody' });

export const VerifyEmailBody = z.strictObject({ token: Token }).meta({ id: 'VerifyEmailBody' });

export const UserParams = z.strictObject({ user_id: Id });

export const ResetLink = z
  .object({
    url: z.string().meta({ description: 'To be handed to the user; shown this once' }),
    token: z.string().meta({ description: 'The same without the page' }),
    expires_at: Timestamp,
  })
  .meta({ id: 'ResetLink' });

export const ProviderParams = z.strictObject({ provider: Id });

/** RFC 7636 §4.2, of S256. */
const CodeChallenge = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const targetFields = {
  return_to: z.string().max(2_000).optional().meta({
    description: 'One of OIDC_RETURN_URLS: the browser goes there with a code. Without it the answer has the tokens',
  }),
  code_challenge: CodeChallenge.optional().meta({ description: 'RFC 7636, S256; needed with return_to' }),
};
const bothOrNeither = (target: { return_to?: string | undefined; code_challenge?: string | undefined }) =>
  (target.return_to === undefined) === (target.code_challenge === undefined);
const BOTH = { message: 'return_to and code_challenge go together', path: ['code_challenge'] };

export const OidcLoginQuery = z.strictObject(targetFields).refine(bothOrNeither, BOTH);

export const OidcLinkBody = z
  .strictObject({ password: PasswordInput, ...targetFields })
  .refine(bothOrNeither, BOTH)
  .meta({ id: 'OidcLinkBody' });

export const OidcLink = z
  .object({ authorization_url: z.string().meta({ description: 'Where to send the browser that got this answer' }) })
  .meta({ id: 'OidcLink' });

/** Providers add what they like. */
export const OidcCallbackQuery = z.looseObject({ state: Token });

export const OidcTokenBody = z
  .strictObject({ code: Token, code_verifier: z.string().regex(/^[A-Za-z0-9._~-]{43,128}$/) })
  .meta({ id: 'OidcTokenBody' });

const ownFields = { user_id: z.string(), email: z.string(), name: z.string().nullable() };

export const SignedIn = z
  .object({
    user: z.object({ ...ownFields, created_at: Timestamp }),
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.int().meta({ description: 'Life of the access token in seconds' }),
    refresh_token: z
      .string()
      .meta({ description: 'Good for one refresh; a spent one that comes back ends the session' }),
  })
  .meta({ id: 'SignedIn' });

export const Me = z
  .object({
    ...ownFields,
    system_roles: z.array(z.enum(['super_admin', 'operator', 'auditor'])),
    groups: z.array(z.object({ group_id: z.string(), name: z.string(), role: z.enum(['admin', 'editor', 'viewer']) })),
  })
  .meta({ id: 'Me' });

const Scope = z.enum(API_KEY_SCOPES);
const Permission = z.enum(['read', 'write', 'manage']);

export const ApiKeyBody = z
  .strictObject({
    name: Label(200),
    scopes: z
      .array(Scope)
      .min(1)
      .max(API_KEY_SCOPES.length)
      .optional()
      .meta({ description: 'Default: read, search, ingest, manage' }),
    level_cap: Permission.nullable()
      .optional()
      .meta({ description: 'No right above this one. Default: as far as the scopes go' }),
    group_id: Id.nullable()
      .optional()
      .meta({ description: 'Sees nothing but what is shared with this group of yours, and adds content to it' }),
    expires_at: InstantInput.nullable().optional(),
  })
  .meta({ id: 'ApiKeyBody' });

const apiKeyFields = {
  key_id: z.string(),
  name: z.string(),
  scopes: z.array(Scope),
  level_cap: Permission.nullable(),
  group_id: z.string().nullable(),
  created_at: Timestamp,
  expires_at: Timestamp.nullable(),
  last_used_at: Timestamp.nullable(),
};

const ApiKey = z.object(apiKeyFields).meta({ id: 'ApiKey' });

export const CreatedApiKey = z
  .object({ ...apiKeyFields, secret: z.string().meta({ description: 'The key itself, shown this once' }) })
  .meta({ id: 'CreatedApiKey' });

export const ApiKeyList = ListOf(ApiKey);
export const ApiKeyParams = z.strictObject({ key_id: Id });
export const ApiKeyQuery = PageQuery;

/** RFC 7517 §5, of Ed25519 keys (RFC 8037 §2). */
export const KeySet = z
  .object({
    keys: z.array(
      z.object({
        kty: z.literal('OKP'),
        crv: z.literal('Ed25519'),
        x: z.string(),
        kid: z.string(),
        use: z.literal('sig'),
        alg: z.literal('EdDSA'),
      }),
    ),
  })
  .meta({ id: 'KeySet' });
