import { guestSubject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import { CUSTOMER_NETWORK, networkOf } from '../base/client-network.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import { accountIdOf } from './account-id.ts';
import type { AccountDependencies } from './dependencies.ts';
import { replacePasswordHash, selectActiveUserByEmail, type UserCredential } from './queries.ts';
import { prepareSession, type SignedIn } from './session.ts';
import { openUser } from './user.ts';

export interface LoginInput {
  readonly email: string;
  readonly password: string;
  /** Of whoever asks, for the throttle. */
  readonly clientAddress: string;
}

type LoginDependencies = Pick<AccountDependencies, 'db' | 'secrets' | 'keys' | 'passwords' | 'throttle'>;

/**
 * Starts a session. An unknown address, a wrong password, a user without one and a disabled user are the same `AppError`
 * invalid_credentials after the same work. Throws rate_limited after too many failures, overloaded.
 */
export async function login(dependencies: LoginDependencies, input: LoginInput): Promise<SignedIn> {
  const { db, keys, secrets } = dependencies;
  const credential = await checkCredentials(dependencies, input);
  const session = await prepareSession(keys, credential.user.userId, 'password');
  await db.batch([...session.statements, ...(await renewHash(dependencies, credential, input.password))]);
  return { user: openUser(secrets, credential.user), tokens: session.tokens };
}

async function checkCredentials(
  { db, secrets, passwords, throttle }: LoginDependencies,
  { email, password, clientAddress }: LoginInput,
): Promise<UserCredential> {
  const accountId = accountIdOf(email, secrets);
  const attempt = throttle?.begin(accountId, clientAddress);
  let credential: UserCredential | null;
  let isRight: boolean;
  try {
    credential = await selectActiveUserByEmail(db, accountId);
    isRight = await passwords.verify(credential?.passwordHash ?? null, password);
  } catch (error) {
    attempt?.withdrawn();
    throw error;
  }
  if (credential === null || !isRight) {
    const detail = { network: networkOf(clientAddress, CUSTOMER_NETWORK) };
    await db.batch([recordAudit(guestSubject(), 'session.refused', { type: 'user', id: accountId }, { detail })]);
    throw new AppError('invalid_credentials');
  }
  attempt?.succeeded();
  return credential;
}

/** The parameters of the hash follow ours when the password is at hand. With too much to do, the next login will. */
async function renewHash(
  { passwords }: Pick<AccountDependencies, 'passwords'>,
  { user, passwordHash }: UserCredential,
  password: string,
) {
  if (passwordHash === null || !passwords.isOutdated(passwordHash)) return [];
  try {
    return [replacePasswordHash(user.userId, passwordHash, await passwords.hash(password))];
  } catch (error) {
    if (hasCode(error, 'overloaded')) return [];
    throw error;
  }
}
