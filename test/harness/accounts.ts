import { createPasswords, deriveSecrets, openSigningKeys } from '../../src/access/index.ts';
import { type AccountDependencies, register, type SignedIn } from '../../src/accounts/index.ts';
import { Cache } from '../../src/cache/index.ts';
import type { Database } from '../../src/db/database.ts';

export const TEST_SECRET = 'a-secret-for-tests-only-0123456789-abcdefghij';
export const TEST_PASSWORD = 'correct horse battery staple';

/** Everything that accounts need, with open registration and no slowing down. */
export async function accountDependencies(
  db: Database,
  overrides: Partial<AccountDependencies> = {},
): Promise<AccountDependencies & { cache: Cache }> {
  const secrets = deriveSecrets(TEST_SECRET);
  return {
    db,
    secrets,
    keys: overrides.keys ?? (await openSigningKeys({ db, secrets })),
    passwords: createPasswords(),
    throttle: null,
    registration: 'open',
    cache: new Cache({ db, log: { warn() {} } }),
    ...overrides,
  };
}

export function registerUser(dependencies: AccountDependencies, email = 'ada@example.com'): Promise<SignedIn> {
  return register(dependencies, { email, password: TEST_PASSWORD });
}
