import { guestSubject, identityHmacOf, normaliseEmail, userIdOf } from '../../access/index.ts';
import { recordAudit } from '../../audit/index.ts';
import type { Statement } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import type { AccountDependencies } from '../dependencies.ts';
import { prepareUserWithoutPassword } from '../new-user.ts';
import { proofOfEmail } from '../proof-of-email.ts';
import { requireActiveUser, selectActiveUserByEmail } from '../queries.ts';
import type { Identity } from './provider.ts';
import { insertIdentity, requireEmailState, selectUserIdByIdentity } from './queries.ts';

export interface AccountForIdentity {
  readonly userId: string;
  /** To be run before the session is made; they abort where something has changed meanwhile. */
  readonly statements: readonly Statement[];
}

type IdentityDependencies = Pick<AccountDependencies, 'db' | 'secrets' | 'registration'>;

interface Circumstances {
  readonly provider: string;
  /** Who asked to have the identity added to their account. */
  readonly linkUserId: string | null;
}

const MAX_NAME_CHARS = 200;

/**
 * Whose account an identity is for. One that is known belongs to its user, whatever its address has become. An unknown one
 * gets to an account with the same address only if both sides have proven it: the provider vouches for it, and the account has
 * been proven by mail or another provider. An account that never was is taken from whoever made it; one whose address was
 * taken as given has to be linked with its password. Throws `AppError` identity_refused without an address that is vouched
 * for, link_needs_password, registration_closed, conflict when it is linked to another account already, and
 * invalid_credentials when the account is disabled.
 */
export async function accountOf(
  deps: IdentityDependencies,
  identity: Identity,
  circumstances: Circumstances,
): Promise<AccountForIdentity> {
  const identityHmac = identityHmacOf(identity, deps.secrets);
  const { linkUserId } = circumstances;
  const knownUserId = await selectUserIdByIdentity(deps.db, identityHmac);
  if (knownUserId !== null) {
    if (linkUserId !== null && linkUserId !== knownUserId)
      throw new AppError('conflict', 'It belongs to another account');
    return { userId: knownUserId, statements: [] };
  }
  if (linkUserId !== null) return { userId: linkUserId, statements: link(identityHmac, linkUserId, circumstances) };
  return accountByEmail(deps, identity, identityHmac, circumstances);
}

async function accountByEmail(
  deps: IdentityDependencies,
  identity: Identity,
  identityHmac: string,
  circumstances: Circumstances,
): Promise<AccountForIdentity> {
  const email = provenEmailOf(identity);
  const userId = userIdOf(email, deps.secrets);
  const found = await selectActiveUserByEmail(deps.db, userId);
  if (found === null) return newAccount(deps, { email, name: nameOf(identity) }, identityHmac, circumstances);
  if (found.emailState === 'assumed') throw new AppError('link_needs_password');
  return {
    userId: found.user.userId,
    statements: [
      requireEmailState(found.user.userId, found.emailState),
      ...proofOfEmail(found.user.userId),
      ...link(identityHmac, found.user.userId, circumstances),
    ],
  };
}

function newAccount(
  { registration, secrets }: IdentityDependencies,
  person: { email: string; name: string | null },
  identityHmac: string,
  circumstances: Circumstances,
): AccountForIdentity {
  if (registration !== 'open') throw new AppError('registration_closed');
  const { user, statements } = prepareUserWithoutPassword(secrets, { ...person, emailState: 'proven' });
  const target = { type: 'user', id: user.userId } as const;
  return {
    userId: user.userId,
    statements: [
      ...statements,
      recordAudit(guestSubject(), 'user.registered', target, { concerns: user.userId }),
      ...link(identityHmac, user.userId, circumstances),
    ],
  };
}

function link(identityHmac: string, userId: string, { provider }: Circumstances): Statement[] {
  const target = { type: 'user', id: userId } as const;
  return [
    requireActiveUser(userId),
    ...insertIdentity(identityHmac, userId),
    recordAudit(guestSubject(), 'identity.linked', target, { concerns: userId, detail: { provider } }),
  ];
}

function provenEmailOf({ email, isEmailVerified }: Identity): string {
  const normal = isEmailVerified && email !== null ? normaliseEmail(email) : null;
  if (normal === null) {
    throw new AppError('identity_refused', 'The identity provider does not vouch for an e-mail address');
  }
  return normal;
}

/** A name is a courtesy: what does not fit is left out. */
function nameOf({ name }: Identity): string | null {
  const trimmed = name?.trim() ?? '';
  return trimmed === '' || trimmed.length > MAX_NAME_CHARS || trimmed.includes('\0') ? null : trimmed;
}
