import { createPasswords, deriveSecrets, openSigningKeys } from '../../src/access/index.ts';
import {
  type AccountDependencies,
  admitInvited,
  type OidcDependencies,
  register,
  type SignedIn,
} from '../../src/accounts/index.ts';
import { Cache } from '../../src/cache/index.ts';
import type { Database } from '../../src/db/database.ts';

export const TEST_SECRET = 'a-secret-for-tests-only-0123456789-abcdefghij';
export const TEST_PASSWORD = 'correct horse battery staple';

/** Everything that accounts need, with open registration, no mail and no slowing down. */
export async function accountDependencies(
  db: Database,
  overrides: Partial<OidcDependencies> = {},
): Promise<OidcDependencies & { cache: Cache }> {
  const secrets = deriveSecrets(TEST_SECRET);
  return {
    db,
    secrets,
    keys: overrides.keys ?? (await openSigningKeys({ db, secrets })),
    passwords: createPasswords(),
    throttle: null,
    registration: 'open',
    sendsMail: false,
    publicUrl: 'http://localhost:9090',
    admitInvited: (registration) => admitInvited({ sendsMail: overrides.sendsMail ?? false }, registration),
    oidcProviders: new Map(),
    oidcReturnUrls: [],
    cache: new Cache({ db, log: { warn() {} } }),
    ...overrides,
  };
}

export async function registerUser(dependencies: AccountDependencies, email = 'ada@example.com'): Promise<SignedIn> {
  const outcome = await register(dependencies, { email, password: TEST_PASSWORD });
  if (outcome.kind !== 'signed_in') throw new Error('registered, but not signed in');
  return outcome.signedIn;
}
