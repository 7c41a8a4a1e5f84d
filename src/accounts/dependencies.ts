import type { Passwords, Secrets, SigningKeys } from '../access/index.ts';
import type { Database, Statement } from '../db/database.ts';
import type { LoginThrottle } from './login-throttle.ts';

/** Somebody who wants an account where only invited people get one. */
export interface InvitedRegistration {
  readonly invitationToken: string;
  /** HMAC of the address they register. */
  readonly emailHmac: string;
  /** Of the account that the same batch makes before these statements run. */
  readonly userId: string;
}

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
  /** Whether mail can be sent. Where it can, a new address has to be proven; else it is taken as given. */
  readonly sendsMail: boolean;
  /** Base URL of this server as its users see it, without a slash at the end: for links. */
  readonly publicUrl: string;
  /**
   * Statements that admit somebody by their invitation, or abort the batch with registration_closed. Null: there are no
   * invitations, and `invite` admits nobody. The invited address is taken as given, so where mail can be sent the token must
   * reach nobody but that address.
   */
  readonly admitInvited: ((registration: InvitedRegistration) => Statement[]) | null;
}
