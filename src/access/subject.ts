/** Rights on a resource, each containing the one before: read 1 < write 2 < manage 3 < owner 4. */
export const LEVELS = { read: 1, write: 2, manage: 3, owner: 4 } as const;
export type Permission = 'read' | 'write' | 'manage';
export type Level = 1 | 2 | 3 | 4;

export type SystemRole = 'super_admin' | 'operator' | 'auditor';
export type Scope = 'read' | 'ingest' | 'search' | 'manage' | 'content:expire';

/**
 * The groups of a user as they were when they were read. They count in a statement that finds the user still in this epoch;
 * any other statement reads them itself.
 */
export interface KnownMemberships {
  /** `users.authz_epoch` in the snapshot that the list was read in. */
  readonly epoch: number;
  /** JSON: `[[group_id, role, expires_at or null], …]`. */
  readonly list: string;
}

const subjectBrand: unique symbol = Symbol('subject');

/**
 * Who acts. Only this folder can make one, so a function that takes a Subject cannot be called without somebody having
 * been authenticated. It says who, never what: rights are judged by the database in the statement that needs them.
 */
export interface Subject {
  readonly [subjectBrand]: true;
  readonly kind: 'user' | 'guest' | 'system';
  /** Null for guests and the system. */
  readonly userId: string | null;
  readonly via: 'session' | 'api_key' | 'guest' | 'system';
  /** Session or key that was presented; null for guests and the system. */
  readonly credentialId: string | null;
  readonly systemRoles: readonly SystemRole[];
  /** What an API key is limited to; null: everything the user may do. */
  readonly scopes: readonly Scope[] | null;
  /** No right above this level, whatever the relation says. */
  readonly levelCap: Level;
  /** Nothing but what is shared with this group, for an API key that was made for one; null: no such limit. */
  readonly groupId: string | null;
  readonly memberships: KnownMemberships;
}

export function userSubject(
  user: Pick<Subject, 'credentialId' | 'systemRoles' | 'memberships'> & {
    userId: string;
    via: 'session' | 'api_key';
    scopes?: readonly Scope[] | null;
    levelCap?: Level;
    groupId?: string | null;
  },
): Subject {
  return Object.freeze({
    [subjectBrand]: true as const,
    kind: 'user' as const,
    userId: user.userId,
    via: user.via,
    credentialId: user.credentialId,
    systemRoles: Object.freeze([...user.systemRoles]),
    scopes: user.scopes ?? null,
    levelCap: user.levelCap ?? LEVELS.owner,
    groupId: user.groupId ?? null,
    memberships: Object.freeze({ ...user.memberships }),
  });
}

export function guestSubject(): Subject {
  return nobody('guest');
}

/** For maintenance that acts for nobody. It sees no content: the relation has no branch for it. */
export function systemSubject(): Subject {
  return nobody('system');
}

function nobody(kind: 'guest' | 'system'): Subject {
  return Object.freeze({
    [subjectBrand]: true as const,
    kind,
    userId: null,
    via: kind,
    credentialId: null,
    systemRoles: [],
    scopes: null,
    levelCap: kind === 'guest' ? LEVELS.read : LEVELS.owner,
    groupId: null,
    memberships: { epoch: 0, list: '[]' },
  });
}

export function hasRole(subject: Subject, ...roles: SystemRole[]): boolean {
  return subject.systemRoles.some((role) => roles.includes(role));
}
