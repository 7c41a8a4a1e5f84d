import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  addMember,
  createDocument,
  createGroup,
  createUser,
  HOUR_MS,
  shareDocument,
  subjectOf,
} from '../../test/factories.ts';
import { fakeEmbeddingModel } from '../../test/fakes/embedding-model.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { selectChunks, selectDocument, selectDocuments } from '../documents/index.ts';
import { selectPassages } from '../search/queries.ts';
import { searchKeyword, searchVector } from '../search/rank.ts';
import { selectRights } from './queries.ts';
import { guestSubject, type Level, type Subject, systemSubject } from './subject.ts';
import { jobMayWrite, levelOnDocument, visibleDocuments } from './visibility.ts';

const USERS = 5;
const GROUPS = 6;
const DOCUMENTS = 8;
const model = fakeEmbeddingModel();

type Expiry = 'never' | 'past' | 'future';
type Role = 'viewer' | 'editor' | 'admin';

/** A small world; indexes stand for ids. */
interface World {
  disabled: boolean[];
  documents: { owner: number | null; expiry: Expiry }[];
  memberships: { user: number; group: number; role: Role; expiry: Expiry }[];
  shares: { document: number; to: { user: number } | { group: number }; level: 1 | 2 | 3; expiry: Expiry }[];
}

const anExpiry = fc.constantFrom<Expiry>('never', 'never', 'past', 'future');
const aUser = fc.nat(USERS - 1);
const aGroup = fc.nat(GROUPS - 1);
const aDocument = fc.nat(DOCUMENTS - 1);
const aLevel = fc.constantFrom<1 | 2 | 3>(1, 2, 3);
const aRole = fc.constantFrom<Role>('viewer', 'editor', 'admin');

/** User 0 is in at least five groups, and at least five shares reach it. */
const aWorld: fc.Arbitrary<World> = fc.record({
  disabled: fc.tuple(
    // One in eight, for user 0: a disabled one sees nothing, whatever else is true.
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
      fc.uniqueArray(
        fc.record({ user: fc.integer({ min: 1, max: USERS - 1 }), group: aGroup, role: aRole, expiry: anExpiry }),
        { maxLength: 10, selector: ({ user, group }) => `${user}:${group}` },
      ),
    )
    .map((parts) => parts.flat()),
  shares: fc
    .tuple(
      fc.uniqueArray(
        fc.record({
          document: aDocument,
          to: fc.oneof(fc.constant({ user: 0 }), fc.record({ group: aGroup })),
          level: aLevel,
          expiry: anExpiry,
        }),
        { minLength: 5, maxLength: 12, selector: ({ document, to }) => `${document}:${JSON.stringify(to)}` },
      ),
      fc.uniqueArray(
        fc.record({
          document: aDocument,
          to: fc.record({ user: fc.integer({ min: 1, max: USERS - 1 }) }),
          level: aLevel,
          expiry: anExpiry,
        }),
        { maxLength: 8, selector: ({ document, to }) => `${document}:${JSON.stringify(to)}` },
      ),
    )
    .map((parts) => parts.flat()),
});

const CEILINGS: Record<Role, number> = { viewer: 1, editor: 2, admin: 3 };

/** Who asks: with what cap on the level, and for an API key of one group, which. */
interface Asker {
  user: number | 'guest' | 'system';
  cap: Level;
  onlyGroup?: number;
}

/** What the relation says, once more in plain code. */
function expectedLevel(world: World, { user, cap, onlyGroup }: Asker, document: number): number {
  if (user === 'system') return 0;
  const { owner, expiry } = world.documents[document]!;
  if (expiry === 'past') return 0;
  const isPublic = owner === null ? 1 : 0;
  if (user === 'guest') return isPublic;
  if (world.disabled[user]) return 0;
  let level = onlyGroup !== undefined ? 0 : owner === user ? 4 : isPublic;
  for (const share of world.shares) {
    if (share.document !== document || share.expiry === 'past') continue;
    if ('user' in share.to) {
      if (share.to.user === user && onlyGroup === undefined) level = Math.max(level, share.level);
      continue;
    }
    const { group } = share.to;
    if (onlyGroup !== undefined && onlyGroup !== group) continue;
    for (const membership of world.memberships) {
      if (membership.user !== user || membership.group !== group || membership.expiry === 'past') continue;
      level = Math.max(level, Math.min(share.level, CEILINGS[membership.role]));
    }
  }
  return Math.min(level, cap);
}

interface Built {
  userIds: string[];
  groupIds: string[];
  documentIds: string[];
}

let db: Database;
let close: () => Promise<void>;

beforeAll(async () => {
  ({ db, close } = await createTestDatabase());
});
afterAll(() => close());

async function build(world: World): Promise<Built> {
  await db.batch([sql`DELETE FROM documents`, sql`DELETE FROM groups`, sql`DELETE FROM users`]);
  const userIds: string[] = [];
  for (const disabled of world.disabled) {
    userIds.push((await createUser(db, { status: disabled ? 'disabled' : 'active' })).userId);
  }
  const groupIds: string[] = [];
  for (let i = 0; i < GROUPS; i++) groupIds.push(await createGroup(db));
  const documentIds: string[] = [];
  for (const [i, { owner, expiry }] of world.documents.entries()) {
    const ownerId = owner === null ? null : userIds[owner]!;
    const chunks = [`The common words of document${i}.`, 'Common words again.'];
    const made = await createDocument(db, {
      ownerId,
      chunks,
      expiresAt: instantOf(expiry),
      vectors: { modelId: model.id, dimensions: model.dimensions },
    });
    documentIds.push(made.documentId);
  }
  for (const { group, user, role, expiry } of world.memberships) {
    await addMember(db, groupIds[group]!, userIds[user]!, { role, expiresAt: instantOf(expiry) });
  }
  for (const { document, to, level, expiry } of world.shares) {
    const grantee = 'user' in to ? { userId: userIds[to.user]! } : { groupId: groupIds[to.group]! };
    await shareDocument(db, documentIds[document]!, grantee, { level, expiresAt: instantOf(expiry) });
  }
  return { userIds, groupIds, documentIds };
}

function instantOf(expiry: Expiry): number | null {
  if (expiry === 'never') return null;
  return expiry === 'past' ? Date.now() - HOUR_MS : Date.now() + HOUR_MS;
}

/** The level of every document, by each of the ways in which the product asks for it. */
async function waysOfAsking(subject: Subject, documentIds: readonly string[]): Promise<Record<string, number[]>> {
  const byList = await selectDocuments(db, subject, {
    groupId: null,
    ownerId: null,
    tag: null,
    sourceType: null,
    titlePart: null,
    beforeId: null,
    limit: 100,
  });
  const atLeast = await Promise.all(([1, 2, 3, 4] as const).map((level) => idsAtLeast(subject, level)));
  const checks = await Promise.all(
    documentIds.map((id) =>
      db.query<{ level: number; may: number }>(
        sql`SELECT ${levelOnDocument(subject, id)} AS level, ${jobMayWrite(subject, id)} AS may`,
      ),
    ),
  );
  const shown = await Promise.all(documentIds.map((id) => selectDocument(db, subject, id)));
  return {
    'point check': checks.map((rows) => rows[0]!.level),
    relation: documentIds.map((id) => atLeast.filter((ids) => ids.has(id)).length),
    job: checks.map((rows) => rows[0]!.may),
    list: documentIds.map((id) => byList.find((document) => document.documentId === id)?.permissions.length ?? 0),
    document: shown.map((document) => document?.permissions.length ?? 0),
  };
}

async function idsAtLeast(subject: Subject, level: Level): Promise<Set<string>> {
  const rows = await db.query<{ document_id: string }>(
    sql`SELECT v.document_id FROM ${visibleDocuments(subject, level)} v`,
  );
  expect(new Set(rows.map((row) => row.document_id)).size).toBe(rows.length);
  return new Set(rows.map((row) => row.document_id));
}

/** The documents that each way of reading content shows. */
async function waysOfReading(subject: Subject, documentIds: readonly string[]): Promise<Record<string, string[]>> {
  const deps = { db, embeddingModel: model, onDegraded: () => {} };
  const request = { subject, query: 'common words', limit: 50, filters: {} };
  const byWords = await searchKeyword(deps, request);
  const byMeaning = await searchVector(deps, request);
  const versions = await db.query<{ version_id: string }>(sql`SELECT version_id FROM document_versions`);
  const passages = await selectPassages(
    db,
    subject,
    versions.map((row) => `${row.version_id}.0`),
  );
  const chunks = await Promise.all(
    documentIds.map((id) => selectChunks(db, subject, id, { afterOrdinal: -1, limit: 10 })),
  );
  const idsOf = (found: Iterable<{ documentId: string }>) =>
    [...new Set([...found].map((result) => result.documentId))].toSorted();
  return {
    keyword: idsOf(byWords.results),
    vector: idsOf(byMeaning.results),
    passages: idsOf(passages.values()),
    chunks: documentIds.filter((_, i) => chunks[i]!.length > 0).toSorted(),
  };
}

/** Every user with what is known of their memberships, user 0 also with keys and with what was known in another epoch. */
async function askersIn({ userIds, groupIds }: Built): Promise<(Asker & { subject: Subject })[]> {
  const known = await Promise.all(userIds.map(async (id) => (await selectRights(db, id))?.memberships));
  const ada = userIds[0]!;
  const memberships = known[0];
  // As if ada had been everywhere, and as if she had been nowhere.
  const everywhere = { epoch: -1, list: JSON.stringify(groupIds.map((id) => [id, 'admin', null])) };
  const nowhere = { epoch: -1, list: '[]' };
  return [
    { user: 'guest', cap: 1, subject: guestSubject() },
    { user: 'system', cap: 4, subject: systemSubject() },
    ...userIds.map((id, user) => ({ user, cap: 4, subject: subjectOf(id, { memberships: known[user] }) }) as const),
    { user: 0, cap: 4, subject: subjectOf(ada, { memberships: everywhere }) },
    { user: 0, cap: 4, subject: subjectOf(ada, { memberships: nowhere }) },
    ...([1, 2, 3] as const).map(
      (cap) => ({ user: 0, cap, subject: subjectOf(ada, { via: 'api_key', levelCap: cap, memberships }) }) as const,
    ),
    ...[0, 1].map((onlyGroup) => {
      const key = { via: 'api_key', groupId: groupIds[onlyGroup]!, memberships } as const;
      return { user: 0, cap: 4, onlyGroup, subject: subjectOf(ada, key) } as const;
    }),
    { user: 0, cap: 2, onlyGroup: 2, subject: subjectOf(ada, { groupId: groupIds[2]!, levelCap: 2 }) },
  ];
}

describe('who may do what with a document', () => {
  test('is the same by every way of asking, and as plain code says', async () => {
    await fc.assert(
      fc.asyncProperty(aWorld, async (world) => {
        const built = await build(world);
        const { documentIds } = built;
        for (const { subject, ...asker } of await askersIn(built)) {
          const { user } = asker;
          const expected = documentIds.map((_, document) => expectedLevel(world, asker, document));
          const { job, list, document, ...exact } = await waysOfAsking(subject, documentIds);
          for (const [way, levels] of Object.entries(exact)) expect({ way, levels }).toEqual({ way, levels: expected });
          // Permissions are three words: an owner has no other.
          expect(list).toEqual(expected.map((level) => Math.min(level, 3)));
          expect(document).toEqual(list);
          // What a guest added is public, and its job goes on while it is there.
          const enough = user === 'guest' ? 1 : 2;
          expect(job).toEqual(expected.map((level) => (level >= enough ? 1 : 0)));
          const readable = documentIds.filter((_, i) => expected[i]! >= 1).toSorted();
          for (const [way, ids] of Object.entries(await waysOfReading(subject, documentIds))) {
            expect({ way, ids }).toEqual({ way, ids: readable });
          }
        }
      }),
      { numRuns: Number(process.env.ACCESS_WORLDS ?? 50) },
    );
  }, 1_800_000);
});
