/** Rights on a resource, each containing the one before: read 1 < write 2 < manage 3 < owner 4. */
export const LEVELS = { read: 1, write: 2, manage: 3, owner: 4 } as const;
export type Permission = 'read' | 'write' | 'manage';
export type Level = 1 | 2 | 3 | 4;

export type SystemRole = 'super_admin' | 'operator' | 'auditor';
export type Scope = 'read' | 'ingest' | 'search' | 'manage' | 'content:expire';

const subjectBrand: unique symbol = Symbol('subject');

/**
 * Who acts. Only this folder can make one, so a function that takes a Subject cannot be called without somebody having
 * been authenticated. It says who, never what: rights are read by the database in the statement that needs them.
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
}

export function userSubject(
  user: Pick<Subject, 'credentialId' | 'systemRoles'> & {
    userId: string;
    via: 'session' | 'api_key';
    scopes?: readonly Scope[] | null;
    levelCap?: Level;
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
  });
}

export function hasRole(subject: Subject, ...roles: SystemRole[]): boolean {
  return subject.systemRoles.some((role) => roles.includes(role));
}
