import { createHash, randomBytes } from 'node:crypto';
import { hashOpaqueToken, openText, type Subject, sealText } from '../../access/index.ts';
import type { Statement } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import { checkPassword } from '../change-password.ts';
import type { AccountDependencies } from '../dependencies.ts';
import { selectActiveUserById } from '../queries.ts';
import { prepareSession, type SignedIn } from '../session.ts';
import { openUser } from '../user.ts';
import { accountOf } from './account-of.ts';
import type { OidcProvider } from './provider.ts';
import {
  insertAttempt,
  insertSignInCode,
  type OidcAttempt,
  selectUserIdBySignInCode,
  spendSignInCode,
  takeAttempt,
  toAttempt,
} from './queries.ts';

export interface OidcDependencies extends AccountDependencies {
  /** By name. */
  readonly oidcProviders: ReadonlyMap<string, OidcProvider>;
  /** Where a sign-in may send the browser afterwards: these and no other URLs. */
  readonly oidcReturnUrls: readonly string[];
}

export interface SignInElsewhere {
  readonly provider: string;
  /** The cookie of the browser, if it has one from before, so that its other tabs go on. */
  readonly browserSecret: string | null;
  /** Where the browser goes afterwards, with a code for the program there; null: the answer to the browser is the sign-in. */
  readonly target: { readonly returnTo: string; readonly codeChallenge: string } | null;
}

export interface SentElsewhere {
  readonly authorizationUrl: string;
  /** For a cookie that comes back with the browser, and with nothing else. */
  readonly browserSecret: string;
}

export type OidcOutcome =
  | { readonly kind: 'signed_in'; readonly signedIn: SignedIn }
  /** Holds a code, or an error code, behind `#`. */
  | { readonly kind: 'return'; readonly url: string };

/**
 * Begins a sign-in at a provider. What comes back counts once, within ten minutes, in the same browser. Throws `AppError`
 * not_found without such a provider, validation_failed for a URL that is not allowed, identity_provider_unavailable.
 */
export async function beginSignInElsewhere(deps: OidcDependencies, input: SignInElsewhere): Promise<SentElsewhere> {
  return begin(deps, input, null);
}

/**
 * The same, to add an identity to the caller's account, which takes their password. Throws `AppError` forbidden without a
 * session, wrong_password, rate_limited, overloaded, and what the other throws.
 */
export async function beginLinking(
  deps: OidcDependencies,
  subject: Subject,
  input: SignInElsewhere & { readonly password: string; readonly clientAddress: string },
): Promise<SentElsewhere> {
  const { user } = await checkPassword(deps, subject, input.password, input.clientAddress);
  return begin(deps, input, user.userId);
}

async function begin(
  deps: OidcDependencies,
  { provider: name, browserSecret: known, target }: SignInElsewhere,
  linkUserId: string | null,
): Promise<SentElsewhere> {
  const provider = providerOf(deps, name);
  if (target !== null) assertReturnUrl(deps, target.returnTo);
  const [state, nonce, codeVerifier] = [randomToken(), randomToken(), randomToken()];
  const browserSecret = known !== null && /^[\w-]{43}$/.test(known) ? known : randomToken();
  const redirectUri = `${deps.publicUrl}/auth/oidc/${encodeURIComponent(name)}/callback`;
  const url = await provider.authorizationUrl({ redirectUri, state, nonce, codeVerifier });
  const stateHash = hashOpaqueToken(state);
  await deps.db.batch([
    insertAttempt({
      stateHash,
      browserHash: hashOpaqueToken(browserSecret),
      provider: name,
      redirectUri,
      nonce,
      codeVerifierSealed: sealText(deps.secrets, codeVerifier, placeOf(stateHash)),
      target,
      linkUserId,
    }),
  ]);
  return { authorizationUrl: url.href, browserSecret };
}

/**
 * Finishes a sign-in by what the browser brings back from the provider. Throws `AppError` not_found without such a provider;
 * identity_refused when the answer does not belong to an attempt of this browser, or the provider refused; and where no
 * program waits for the outcome, what `accountOf` throws.
 */
export async function finishSignInElsewhere(
  deps: OidcDependencies,
  answer: {
    readonly provider: string;
    readonly browserSecret: string | null;
    readonly state: string;
    /** The whole query as it came. */
    readonly search: string;
  },
): Promise<OidcOutcome> {
  const provider = providerOf(deps, answer.provider);
  const attempt = await endAttempt(deps, answer);
  try {
    return await finish(deps, provider, attempt, answer);
  } catch (error) {
    if (attempt.target === null || !(error instanceof AppError)) throw error;
    return { kind: 'return', url: `${attempt.target.returnTo}#error=${error.code}` };
  }
}

async function endAttempt(
  { db }: OidcDependencies,
  { provider, browserSecret, state }: { provider: string; browserSecret: string | null; state: string },
): Promise<OidcAttempt> {
  const browserHash = hashOpaqueToken(browserSecret ?? '');
  const [rows] = await db.batch([takeAttempt({ stateHash: hashOpaqueToken(state), browserHash, provider })]);
  const row = rows![0];
  if (row === undefined) {
    throw new AppError('identity_refused', 'The answer belongs to no sign-in that this browser has begun here');
  }
  return toAttempt(row);
}

async function finish(
  deps: OidcDependencies,
  provider: OidcProvider,
  attempt: OidcAttempt,
  { state, search }: { state: string; search: string },
): Promise<OidcOutcome> {
  const codeVerifier = openText(deps.secrets, attempt.codeVerifierSealed, placeOf(attempt.stateHash));
  const identity = await provider.identityOf(search, { ...attempt, state, codeVerifier });
  const { userId, statements } = await accountOf(deps, identity, attempt);
  if (attempt.target === null) return { kind: 'signed_in', signedIn: await startSession(deps, userId, statements) };
  const { returnTo, codeChallenge } = attempt.target;
  const code = randomToken();
  await deps.db.batch([...statements, insertSignInCode({ codeHash: hashOpaqueToken(code), codeChallenge, userId })]);
  return { kind: 'return', url: `${returnTo}#code=${code}` };
}

/**
 * The sign-in behind a code that a browser has brought back, for the program that knows the verifier of the challenge it began
 * with. Good for one minute and one time. Throws `AppError` invalid_token.
 */
export async function exchangeSignInCode(
  deps: Pick<AccountDependencies, 'db' | 'secrets' | 'keys'>,
  { code, codeVerifier }: { readonly code: string; readonly codeVerifier: string },
): Promise<SignedIn> {
  const codeHash = hashOpaqueToken(code);
  const codeChallenge = createHash('sha256').update(codeVerifier).digest('base64url');
  const userId = await selectUserIdBySignInCode(deps.db, { codeHash, codeChallenge });
  if (userId === null) throw new AppError('invalid_token');
  return startSession(deps, userId, spendSignInCode(codeHash));
}

async function startSession(
  { db, secrets, keys }: Pick<AccountDependencies, 'db' | 'secrets' | 'keys'>,
  userId: string,
  statements: readonly Statement[],
): Promise<SignedIn> {
  const session = await prepareSession(keys, userId, 'oidc');
  await db.batch([...statements, ...session.statements]);
  const found = await selectActiveUserById(db, userId);
  if (found === null) throw new AppError('invalid_credentials');
  return { user: openUser(secrets, found.user), tokens: session.tokens };
}

function providerOf({ oidcProviders }: OidcDependencies, name: string): OidcProvider {
  const provider = oidcProviders.get(name);
  if (provider === undefined) throw new AppError('not_found');
  return provider;
}

/** By the whole URL: a prefix would let in whatever lies behind it, redirects included. */
function assertReturnUrl({ oidcReturnUrls }: OidcDependencies, url: string): void {
  if (oidcReturnUrls.includes(url)) return;
  const message = 'is not among OIDC_RETURN_URLS';
  throw new AppError('validation_failed', message, { errors: [{ path: 'query.return_to', message }] });
}

function randomToken(): string {
  return randomBytes(32).toString('base64url');
}

function placeOf(stateHash: string) {
  return { column: 'oidc_attempts.code_verifier_sealed', row: stateHash } as const;
}
