import * as client from 'openid-client';
import { AppError } from '../../errors/app-error.ts';

/** An OpenID Connect provider as the operator has set it up. */
export interface OidcProviderSettings {
  /** In the paths of the routes. */
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  /** Null: a public client, which only PKCE protects. */
  readonly clientSecret: string | null;
}

/** Who somebody is, by the word of a provider. Issuer and subject together are never given to somebody else. */
export interface Identity {
  readonly issuer: string;
  readonly subject: string;
  /** As the provider writes it. */
  readonly email: string | null;
  /** Whether the provider vouches for the address. */
  readonly isEmailVerified: boolean;
  readonly name: string | null;
}

/** What binds the answer of a provider to the question. */
export interface OidcChecks {
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

export interface OidcProvider {
  readonly name: string;
  /** Where to send the browser. Throws `AppError` identity_provider_unavailable. */
  authorizationUrl(checks: OidcChecks): Promise<URL>;
  /**
   * Exchanges the code of an answer, `search` being its query, for an identity. State, issuer, PKCE, nonce, audience, times and
   * the signature of the ID token are checked. Throws `AppError` identity_refused, identity_provider_unavailable.
   */
  identityOf(search: string, checks: OidcChecks): Promise<Identity>;
}

/** Told why an answer was refused, for the operator. */
export interface OidcLog {
  warn(fields: Record<string, unknown>, message: string): void;
}

const SCOPE = 'openid email profile';
const TIMEOUT_SECONDS = 10;
/** What a provider says when it does not know us: a mistake of the set-up, not of whoever signs in. */
const SET_UP_ERRORS = new Set(['invalid_client', 'unauthorized_client']);

/** The metadata of the provider is read with the first sign-in, and again until that succeeds. */
export function createOidcProvider(settings: OidcProviderSettings, log?: OidcLog): OidcProvider {
  let discovered: Promise<client.Configuration> | null = null;

  function configuration(): Promise<client.Configuration> {
    discovered ??= discover(settings).catch((error: unknown) => {
      discovered = null;
      throw error;
    });
    return discovered;
  }

  async function explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const explanation = explain(error);
      log?.warn(
        { event: 'oidc.failed', provider: settings.name, reason: reasonOf(error) },
        'a sign-in elsewhere failed',
      );
      throw explanation;
    }
  }

  return {
    name: settings.name,
    authorizationUrl: (checks) =>
      explained(async () =>
        client.buildAuthorizationUrl(await configuration(), {
          redirect_uri: checks.redirectUri,
          scope: SCOPE,
          state: checks.state,
          nonce: checks.nonce,
          code_challenge: await client.calculatePKCECodeChallenge(checks.codeVerifier),
          code_challenge_method: 'S256',
        }),
      ),
    identityOf: (search, checks) =>
      explained(async () => {
        const config = await configuration();
        const answer = new URL(checks.redirectUri);
        answer.search = search;
        const tokens = await client.authorizationCodeGrant(config, answer, {
          pkceCodeVerifier: checks.codeVerifier,
          expectedState: checks.state,
          expectedNonce: checks.nonce,
          idTokenExpected: true,
        });
        return identityIn(config, tokens);
      }),
  };
}

async function discover({ issuer, clientId, clientSecret }: OidcProviderSettings): Promise<client.Configuration> {
  const url = new URL(issuer);
  const authentication = clientSecret === null ? client.None() : client.ClientSecretBasic(clientSecret);
  const config = await client.discovery(url, clientId, undefined, authentication, {
    timeout: TIMEOUT_SECONDS,
    // The settings take plain HTTP for loopback only.
    execute: url.protocol === 'http:' ? [client.allowInsecureRequests] : [],
  });
  // The ID token comes straight from the provider; its signature is checked all the same.
  client.enableNonRepudiationChecks(config);
  return config;
}

type Tokens = Awaited<ReturnType<typeof client.authorizationCodeGrant>>;

/** Many providers put the address into the ID token; the others have it where the specification puts it. */
async function identityIn(config: client.Configuration, tokens: Tokens): Promise<Identity> {
  const { iss, sub, ...idClaims } = tokens.claims()!;
  const isComplete = idClaims.email !== undefined || config.serverMetadata().userinfo_endpoint === undefined;
  const claims = isComplete ? idClaims : await client.fetchUserInfo(config, tokens.access_token, sub);
  return {
    issuer: iss,
    subject: sub,
    email: textOf(claims.email),
    isEmailVerified: claims.email_verified === true,
    name: textOf(claims.name),
  };
}

function textOf(claim: unknown): string | null {
  return typeof claim === 'string' ? claim : null;
}

/** Causes are words of the protocol only: the errors of the library hold claims and answers. */
function explain(error: unknown): AppError {
  const cause = new Error(reasonOf(error));
  if (isRefusal(error)) return new AppError('identity_refused', undefined, { cause });
  return new AppError('identity_provider_unavailable', undefined, { cause });
}

function isRefusal(error: unknown): boolean {
  if (error instanceof client.AuthorizationResponseError) return true;
  if (error instanceof client.ResponseBodyError) return error.status < 500 && !SET_UP_ERRORS.has(error.error);
  return error instanceof client.ClientError && INVALID_ANSWERS.has(error.code ?? '');
}

/** Of the library: the answer of the browser or the token in it does not belong to the question. */
const INVALID_ANSWERS = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
  'OAUTH_KEY_SELECTION_FAILED',
  'OAUTH_UNSUPPORTED_OPERATION',
]);

function reasonOf(error: unknown): string {
  if (error instanceof client.AuthorizationResponseError || error instanceof client.ResponseBodyError)
    return error.error;
  const { code, name } = error as { code?: unknown; name?: unknown };
  return String(code ?? name);
}
