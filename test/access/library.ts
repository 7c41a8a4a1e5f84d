import { authenticate, issueAccessToken, newApiKey, type Subject } from '../../src/access/index.ts';
import type { Database } from '../../src/db/database.ts';
import { now, type Sql, sql } from '../../src/db/sql.ts';
import { hasCode } from '../../src/errors/app-error.ts';
import { createDocument } from '../factories.ts';
import { accountDependencies, registerUser } from '../harness/accounts.ts';
import { createTestDatabase } from '../harness/database.ts';
import { DOCUMENTS, GROUPS, USERS, type World } from './world.ts';

/** What a model gives a vector. */
export interface VectorSpace {
  id: string;
  dimensions: number;
}

type Accounts = Awaited<ReturnType<typeof accountDependencies>>;

interface StoredUser {
  userId: string;
  sessionId: string;
}

/**
 * A database in which the same people, groups and documents live in one world after another. Each document has words that
 * all of them have, and its own number as a word, in the text and as its title.
 */
export interface Library {
  readonly db: Database;
  readonly accounts: Accounts;
  readonly userIds: readonly string[];
  readonly documentIds: readonly string[];
  /** Ids of all passages. */
  readonly chunkIds: readonly string[];
  /** Makes this the world, and all that was before it past; answers its API keys. */
  enter(world: World): Promise<string[]>;
  /** Who a user is by their session, or an API key by its text; null where it is not let in. */
  signIn(user: number | string): Promise<Subject | null>;
  close(): Promise<void>;
}

/** The word that only this document has. */
export const wordOf = (document: number) => `number${document}`;

export async function openLibrary(vectors: VectorSpace): Promise<Library> {
  const { db, close } = await createTestDatabase();
  const accounts = await accountDependencies(db);
  const users = await addUsers(db, accounts);
  const userIds = users.map(({ userId }) => userId);
  const groupIds = Array.from({ length: GROUPS }, (_, group) => `00000000-0000-7000-8000-00000000000${group}`);
  const documents = [];
  for (let document = 0; document < DOCUMENTS; document++) {
    const word = wordOf(document);
    const chunks = [`The common words of ${word}.`, `Common words again, and ${word} too.`];
    const vectorsOf = { modelId: vectors.id, dimensions: vectors.dimensions };
    documents.push(await createDocument(db, { title: word, chunks, vectors: vectorsOf }));
  }
  const documentIds = documents.map(({ documentId }) => documentId);

  return {
    db,
    accounts,
    userIds,
    documentIds,
    chunkIds: documents.flatMap(({ chunkIds }) => chunkIds),
    enter: (world) => enter(db, { userIds, groupIds, documentIds }, world),
    async signIn(user) {
      const bearer = typeof user === 'string' ? user : await issueAccessToken(accounts.keys, users[user]!);
      return authenticate(accounts, `Bearer ${bearer}`).catch((error) => {
        if (hasCode(error, 'invalid_credentials')) return null;
        throw error;
      });
    },
    async close() {
      await accounts.cache.close();
      await close();
    },
  };
}

async function addUsers(db: Database, accounts: Accounts): Promise<StoredUser[]> {
  const users: StoredUser[] = [];
  for (let user = 0; user < USERS; user++) {
    const { userId } = (await registerUser(accounts, `user-${user}@example.com`)).user;
    const [session] = await db.query<{ session_id: string }>(
      sql`SELECT session_id FROM sessions WHERE user_id = ${userId}`,
    );
    users.push({ userId, sessionId: session!.session_id });
  }
  return users;
}

interface Ids {
  userIds: readonly string[];
  groupIds: readonly string[];
  documentIds: readonly string[];
}

/** One batch, so that a thousand worlds take seconds. Instants are by the database's clock, a millisecond ago or an hour ahead. */
async function enter(db: Database, ids: Ids, world: World): Promise<string[]> {
  const keys = world.keys.map((key) => ({ ...key, ...newApiKey() }));
  const { userIds, groupIds, documentIds } = ids;
  const rowsOf = (rows: unknown[][]): Sql => sql`json_each(${JSON.stringify(rows)})`;
  const instant = (column: Sql): Sql =>
    sql`CASE ${column} WHEN 'past' THEN ${now} - 1 WHEN 'future' THEN ${now} + 3600000 END`;
  await db.batch([
    // What is past goes with the groups; a group alone would not give its last admin away.
    sql`DELETE FROM groups`,
    sql`DELETE FROM api_keys`,
    sql`DELETE FROM resource_shares`,
    sql`UPDATE users SET status = w.value ->> 1 FROM ${rowsOf(
      world.disabled.map((disabled, user) => [userIds[user], disabled ? 'disabled' : 'active']),
    )} w WHERE user_id = w.value ->> 0`,
    sql`UPDATE documents SET owner_id = w.value ->> 1, expires_at = ${instant(sql`w.value ->> 2`)} FROM ${rowsOf(
      world.documents.map(({ owner, expiry }, document) => [
        documentIds[document],
        owner === null ? null : userIds[owner],
        expiry,
      ]),
    )} w WHERE document_id = w.value ->> 0`,
    sql`INSERT INTO groups (group_id, name, created_at, updated_at) SELECT value, 'a group', ${now}, ${now}
      FROM json_each(${JSON.stringify(groupIds)})`,
    sql`INSERT INTO group_memberships (group_id, user_id, role, expires_at, created_at, updated_at)
      SELECT value ->> 0, value ->> 1, value ->> 2, ${instant(sql`value ->> 3`)}, ${now}, ${now} FROM ${rowsOf(
        world.memberships.map(({ group, user, role, expiry }) => [groupIds[group], userIds[user], role, expiry]),
      )}`,
    // There are no other types of resources yet, and the relation must not take one for another when there are.
    sql`PRAGMA ignore_check_constraints = ON`,
    sql`INSERT INTO resource_shares (share_id, resource_type, resource_id, grantee_user_id, grantee_group_id, level,
        expires_at, created_at)
      SELECT key, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, ${instant(sql`value ->> 5`)}, ${now}
      FROM ${rowsOf(
        world.shares.map(({ isOfOtherType, document, to, level, expiry }) => [
          isOfOtherType ? 'collection' : 'document',
          documentIds[document],
          'user' in to ? userIds[to.user] : null,
          'group' in to ? groupIds[to.group] : null,
          level,
          expiry,
        ]),
      )}`,
    sql`PRAGMA ignore_check_constraints = OFF`,
    sql`INSERT INTO api_keys (key_id, user_id, name, secret_hash, scopes, level_cap, group_id, expires_at, created_at)
      SELECT value ->> 0, value ->> 1, 'a key', value ->> 2, value ->> 3, value ->> 4, value ->> 5,
        ${instant(sql`value ->> 6`)}, ${now} FROM ${rowsOf(
          keys.map(({ keyId, user, secretHash, scopes, cap, group, expiry }) => [
            keyId,
            userIds[user],
            secretHash,
            JSON.stringify(scopes),
            cap,
            group === null ? null : groupIds[group],
            expiry,
          ]),
        )}`,
  ]);
  return keys.map(({ text }) => text);
}
