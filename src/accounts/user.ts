import { openText, type Secrets, sealText } from '../access/index.ts';

/** A user as they see themselves. Instants are milliseconds by the database's clock. */
export interface User {
  userId: string;
  email: string;
  name: string | null;
  createdAt: number;
}

/**
 * What is known of an address. unproven: nobody has shown yet that they read mail there; assumed: taken as given; proven: by a
 * mail or an identity provider.
 */
export type EmailState = 'unproven' | 'assumed' | 'proven';

export interface GroupMembership {
  groupId: string;
  name: string;
  role: 'admin' | 'editor' | 'viewer';
}

/** A user as the database has them. */
export interface SealedUser {
  userId: string;
  emailSealed: Uint8Array;
  nameSealed: Uint8Array | null;
  createdAt: number;
}

export function sealUser(secrets: Secrets, user: Omit<User, 'createdAt'>): Omit<SealedUser, 'createdAt'> {
  const { userId, email, name } = user;
  return {
    userId,
    emailSealed: sealText(secrets, email, { column: 'users.email_sealed', row: userId }),
    nameSealed: name === null ? null : sealText(secrets, name, { column: 'users.name_sealed', row: userId }),
  };
}

export function openUser(secrets: Secrets, user: SealedUser): User {
  const { userId, emailSealed, nameSealed, createdAt } = user;
  return {
    userId,
    email: openText(secrets, emailSealed, { column: 'users.email_sealed', row: userId }),
    name: nameSealed === null ? null : openText(secrets, nameSealed, { column: 'users.name_sealed', row: userId }),
    createdAt,
  };
}
