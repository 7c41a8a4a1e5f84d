import type { Passwords, Secrets, SigningKeys } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import type { LoginThrottle } from './login-throttle.ts';

/** What the use cases of this folder need; each takes the part it uses. */
export interface AccountDependencies {
  readonly db: Database;
  readonly secrets: Secrets;
  readonly keys: SigningKeys;
  readonly passwords: Passwords;
  /** Null: failed logins are not slowed down. */
  readonly throttle: LoginThrottle | null;
  /** Who may make an account for themselves: everybody, whoever was invited, nobody. */
  readonly registration: 'open' | 'invite' | 'closed';
}
