import { z } from 'zod';
import { API_KEY_SCOPES } from '../../../access/index.ts';
import { Id, InstantInput, Label, ListOf, PageQuery, Timestamp } from '../../schemas.ts';

/** Bounds what is read at all; whether it is an address or a good password is decided behind. */
const MAX_INPUT_CHARS = 1_024;
const EmailInput = z.string().min(1).max(MAX_INPUT_CHARS).meta({ format: 'email' });
const PasswordInput = z.string().min(1).max(MAX_INPUT_CHARS).meta({ format: 'password' });
const RefreshToken = z.string().min(1).max(MAX_INPUT_CHARS);

export const RegisterBody = z
  .strictObject({
    email: EmailInput,
    password: PasswordInput.meta({ description: '12 to 128 characters, none of the most common passwords' }),
    name: Label(200).optional(),
  })
  .meta({ id: 'RegisterBody' });

export const LoginBody = z.strictObject({ email: EmailInput, password: PasswordInput }).meta({ id: 'LoginBody' });

export const RefreshBody = z.strictObject({ refresh_token: RefreshToken }).meta({ id: 'RefreshBody' });

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

export const ApiKeyBody = z
  .strictObject({
    name: Label(200),
    scopes: z
      .array(Scope)
      .min(1)
      .max(API_KEY_SCOPES.length)
      .optional()
      .meta({ description: 'Default: read, search, ingest, manage' }),
    expires_at: InstantInput.nullable().optional(),
  })
  .meta({ id: 'ApiKeyBody' });

const apiKeyFields = {
  key_id: z.string(),
  name: z.string(),
  scopes: z.array(Scope),
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
