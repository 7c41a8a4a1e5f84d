import type { Key, World } from './world.ts';

/** Who asks: a guest, the system, or a user, perhaps by an API key. */
export interface Asker {
  who: number | 'guest' | 'system';
  key?: Key;
}

export const READ = 1;
export const WRITE = 2;
const MANAGE = 3;
const OWNER = 4;

/** Whether the session or the key is let in at all. */
export function isLetIn(world: World, { who, key }: Asker): boolean {
  if (typeof who !== 'number') return true;
  return !world.disabled[who] && key?.expiry !== 'past';
}

/**
 * The level that somebody has on a document, 0 where it is not to be seen: the rules in words, put into plain code without
 * a database.
 */
export function levelOn(world: World, { who, key }: Asker, document: number): number {
  const { owner, expiry } = world.documents[document]!;
  if (who === 'system') return 0;
  if (expiry === 'past') return 0;
  // A document of nobody is public: everybody may read it.
  const publicLevel = owner === null ? READ : 0;
  if (who === 'guest') return publicLevel;
  if (world.disabled[who]) return 0;
  const group = key?.group ?? null;
  const shared = sharedLevel(world, who, document, group);
  // A key of one group is for what is shared with the group, and for nothing else its owner has.
  if (group !== null) return Math.min(shared, limitOf(key));
  const own = owner === who ? OWNER : 0;
  return Math.min(Math.max(publicLevel, own, shared), limitOf(key));
}

/** Whether a job that acts for somebody goes on with the document. What a guest added is public, and nobody may write it. */
export function jobGoesOn(world: World, asker: Asker, document: number): boolean {
  return levelOn(world, asker, document) >= (asker.who === 'guest' ? READ : WRITE);
}

/** A share to a group gives no more than the role there: viewers read, editors write, admins manage. */
function sharedLevel(world: World, user: number, document: number, onlyGroup: number | null): number {
  let level = 0;
  for (const share of world.shares) {
    if (share.document !== document || share.isOfOtherType || share.expiry === 'past') continue;
    if ('user' in share.to) {
      if (share.to.user === user && onlyGroup === null) level = Math.max(level, share.level);
      continue;
    }
    const { group } = share.to;
    if (onlyGroup !== null && group !== onlyGroup) continue;
    const membership = world.memberships.find((one) => one.user === user && one.group === group);
    if (membership === undefined || membership.expiry === 'past') continue;
    const ceiling = { viewer: READ, editor: WRITE, admin: MANAGE }[membership.role];
    level = Math.max(level, Math.min(share.level, ceiling));
  }
  return level;
}

/** An API key never has more than its scopes are for, nor more than its cap. */
function limitOf(key: Key | undefined): number {
  if (key === undefined) return OWNER;
  const ofScopes = key.scopes.includes('manage') ? OWNER : key.scopes.includes('ingest') ? WRITE : READ;
  return Math.min(ofScopes, key.cap ?? OWNER);
}
