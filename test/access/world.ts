import fc from 'fast-check';

export const USERS = 5;
export const GROUPS = 6;
export const DOCUMENTS = 8;

export type Expiry = 'never' | 'past' | 'future';
export type Role = 'viewer' | 'editor' | 'admin';
export type ShareLevel = 1 | 2 | 3;

/** A small world of people, groups, documents, shares and API keys; indexes stand for ids. */
export interface World {
  disabled: boolean[];
  documents: { owner: number | null; expiry: Expiry }[];
  memberships: { user: number; group: number; role: Role; expiry: Expiry }[];
  shares: Share[];
  keys: Key[];
}

export interface Share {
  /** Of something else than a document, with the id of one: such a share says nothing about it. */
  isOfOtherType: boolean;
  document: number;
  to: { user: number } | { group: number };
  level: ShareLevel;
  expiry: Expiry;
}

/** An API key: for some scopes, up to a level, and perhaps for one group only. */
export interface Key {
  user: number;
  scopes: readonly ('read' | 'search' | 'ingest' | 'manage')[];
  cap: ShareLevel | null;
  group: number | null;
  expiry: Expiry;
}

const anExpiry = fc.constantFrom<Expiry>('never', 'never', 'past', 'future');
const aUser = fc.nat(USERS - 1);
const aGroup = fc.nat(GROUPS - 1);
const aDocument = fc.nat(DOCUMENTS - 1);
const aLevel = fc.constantFrom<ShareLevel>(1, 2, 3);
const aRole = fc.constantFrom<Role>('viewer', 'editor', 'admin');
const anotherUser = fc.integer({ min: 1, max: USERS - 1 });

const shareTo = (to: fc.Arbitrary<Share['to']>): fc.Arbitrary<Share> =>
  fc.record({
    isOfOtherType: fc.nat(7).map((n) => n === 0),
    document: aDocument,
    to,
    level: aLevel,
    expiry: anExpiry,
  });
const sharedOnce = (share: Share) => `${share.isOfOtherType}:${share.document}:${JSON.stringify(share.to)}`;

const aKey: fc.Arbitrary<Key> = fc.record({
  // Most are of user 0, who has most to lose.
  user: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: anotherUser }),
  scopes: fc.constantFrom<Key['scopes']>(['read'], ['search'], ['read', 'search', 'ingest'], ['manage', 'read']),
  cap: fc.option(aLevel),
  group: fc.option(aGroup),
  expiry: anExpiry,
});

/**
 * User 0 is in at least five groups, and at least five shares reach it: worlds with less hardly ever show that the role in
 * a group limits what is shared with the group.
 */
export const aWorld: fc.Arbitrary<World> = fc.record({
  disabled: fc.tuple(
    // One in eight: a disabled user sees nothing, whatever else is true.
    ...Array.from({ length: USERS }, () => fc.nat(7).map((n) => n === 0)),
  ),
  documents: fc.array(fc.record({ owner: fc.option(aUser), expiry: anExpiry }), {
    minLength: DOCUMENTS,
    maxLength: DOCUMENTS,
  }),
  memberships: fc
    .tuple(
      fc.uniqueArray(fc.record({ user: fc.constant(0), group: aGroup, role: aRole, expiry: anExpiry }), {
        minLength: 5,
        maxLength: GROUPS,
        selector: (membership) => membership.group,
      }),
      fc.uniqueArray(fc.record({ user: anotherUser, group: aGroup, role: aRole, expiry: anExpiry }), {
        maxLength: 10,
        selector: ({ user, group }) => `${user}:${group}`,
      }),
    )
    .map((parts) => parts.flat()),
  shares: fc
    .tuple(
      fc.uniqueArray(shareTo(fc.oneof(fc.constant({ user: 0 }), fc.record({ group: aGroup }))), {
        minLength: 5,
        maxLength: 12,
        selector: sharedOnce,
      }),
      fc.uniqueArray(shareTo(fc.record({ user: anotherUser })), { maxLength: 8, selector: sharedOnce }),
    )
    .map((parts) => parts.flat()),
  keys: fc.array(aKey, { minLength: 4, maxLength: 4 }),
});
