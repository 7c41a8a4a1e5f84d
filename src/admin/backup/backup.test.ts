import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, test } from 'vitest';
import { createUser, type TestUser } from '../../../test/factories.ts';
import { TEST_SECRET } from '../../../test/harness/accounts.ts';
import { deriveSecrets, openSigningKeys } from '../../access/index.ts';
import type { Database } from '../../db/database.ts';
import { openFileDatabase } from '../../db/file-database.ts';
import { migrate } from '../../db/migrate.ts';
import { now, sql } from '../../db/sql.ts';
import { openDirectoryStorage, type Storage } from '../../storage/index.ts';
import { backUp } from './back-up.ts';
import { type RestoreReport, restoreBackup } from './restore.ts';
import { assertRestoreFinished } from './unfinished-restore.ts';

const MIGRATIONS = join(import.meta.dirname, '../../../migrations');
const secrets = deriveSecrets(TEST_SECRET);

let root: string;
let db: Database;
let storage: Storage;
let ada: TestUser;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'anyrag-backup-'));
  db = await openFileDatabase({ path: join(root, 'anyrag.db'), durability: 'normal' });
  await migrate(db, MIGRATIONS);
  storage = await openDirectoryStorage(join(root, 'files'));
  ada = await createUser(db);
  return async () => {
    await db.close();
    await rm(root, { recursive: true });
  };
});

/** A document with a stored original; answers its key. */
async function addOriginal(content: string): Promise<string> {
  const { key, bytes, sha256 } = await storage.put(Readable.from([content]), { maxBytes: 1_000 });
  await db.batch([
    sql`INSERT INTO documents (document_id, owner_id, source_type, source, title, created_at, updated_at)
      VALUES (${key}, ${ada.userId}, 'file', ${key}, 'A file', ${now}, ${now})`,
    sql`INSERT INTO document_versions (version_id, document_id, number, storage_key, bytes, content_hash, created_at)
      VALUES (${key}, ${key}, 1, ${key}, ${bytes}, ${sha256}, ${now})`,
  ]);
  return key;
}

async function deleteDocument(key: string): Promise<void> {
  await db.batch([sql`DELETE FROM documents WHERE document_id = ${key}`]);
  await storage.delete(key);
}

async function makeBackup(from: Partial<Parameters<typeof backUp>[0]> = {}, keep: number | null = null) {
  const deps = { db, storage, migrationsDirectory: MIGRATIONS, anyragVersion: '1.2.3', secret: 'SECRET_KEY' as const };
  return backUp({ ...deps, ...from }, { directory: join(root, 'backups'), keep });
}

interface RestoreSettings {
  dataDir?: string;
  migrationsDirectory?: string;
  secret?: string | null;
  keepApiKeys?: boolean;
}

function restore(source: string, settings: RestoreSettings = {}): Promise<RestoreReport> {
  const dataDir = settings.dataDir ?? join(root, 'restored');
  const secret = settings.secret === undefined ? TEST_SECRET : settings.secret;
  return restoreBackup(
    {
      dataDir,
      targets: { database: join(dataDir, 'anyrag.db'), storage: join(dataDir, 'files') },
      migrationsDirectory: settings.migrationsDirectory ?? MIGRATIONS,
      openStorage: () => openDirectoryStorage(join(dataDir, 'files')),
      secret: { isThere: secret !== null, open: async () => deriveSecrets(secret!) },
    },
    { source, keepApiKeys: settings.keepApiKeys ?? false },
  );
}

async function inRestored<T>(use: (restored: Database) => Promise<T>, dataDir = join(root, 'restored')): Promise<T> {
  const restored = await openFileDatabase({ path: join(dataDir, 'anyrag.db'), durability: 'normal' });
  try {
    return await use(restored);
  } finally {
    await restored.close();
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

describe('a backup', () => {
  test('keeps a file of a document that is deleted after the database was copied, by copying it once more', async () => {
    const [kept, leaving] = [await addOriginal('kept'), await addOriginal('leaving')];
    let copies = 0;
    const deletingDb: Database = {
      ...bound(db),
      async copyTo(path) {
        await db.copyTo(path);
        // Came after the first pass over the files, and is gone before the second.
        if (++copies === 1) await deleteDocument(late);
      },
    };
    const query = deletingDb.query;
    let late = '';
    deletingDb.query = async (statement, options) => {
      const rows = await query(statement, options);
      if (late === '') late = await addOriginal('late');
      return rows;
    };
    await storage.delete(leaving);

    const { path, manifest } = await makeBackup({ db: deletingDb });

    expect(copies).toBe(2);
    expect((await filesIn(join(path, 'files'))).sort()).toEqual([kept]);
    expect(manifest.missing_files).toEqual([leaving]);
  });

  test('does not hold what was deleted while it was made', async () => {
    const [kept, deleted] = [await addOriginal('kept'), await addOriginal('deleted')];
    const deleting: Database = {
      ...bound(db),
      async copyTo(path) {
        await deleteDocument(deleted);
        await db.copyTo(path);
      },
    };
    const { path, manifest } = await makeBackup({ db: deleting });
    expect(await filesIn(join(path, 'files'))).toEqual([kept]);
    expect(manifest).toMatchObject({ files: 1, files_bytes: 4, missing_files: [] });
  });

  test('says which originals were damaged already', async () => {
    const key = await addOriginal('as it was');
    await writeFile(join(root, 'files', key), 'as it is!');
    expect((await makeBackup()).manifest.damaged_files).toEqual([key]);
  });

  test('has checksums that sha256sum understands', async () => {
    const key = await addOriginal('some words');
    const { path } = await makeBackup();
    const lines = (await readFile(join(path, 'SHA256SUMS'), 'utf8')).trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toBe(`${createHash('sha256').update('some words').digest('hex')}  files/${key}`);
  });

  test('is written into the audit log', async () => {
    await makeBackup();
    const rows = await db.query(sql`SELECT via, target_id FROM audit_log WHERE action = 'backup.created'`);
    expect(rows).toEqual([{ via: 'system', target_id: 'database' }]);
  });

  test('removes what a crash has left a day ago, and no backup that it is to keep', async () => {
    const first = (await makeBackup()).path;
    const abandoned = join(root, 'backups', '.anyrag-x.partial');
    await mkdir(abandoned);
    await utimes(abandoned, 0, 0);
    const second = (await makeBackup()).path;
    const { path: third, removed } = await makeBackup({}, 2);
    expect(removed).toEqual([first]);
    expect((await readdir(join(root, 'backups'))).sort()).toEqual(
      [second, third].map((path) => path.slice(dirname(path).length + 1)),
    );
  });
});

describe('a restored database', () => {
  async function withGrants(): Promise<void> {
    await db.batch([
      sql`INSERT INTO sessions (session_id, user_id, created_at, expires_at) VALUES ('s', ${ada.userId}, ${now}, ${now} + 1e6)`,
      sql`INSERT INTO refresh_tokens (token_hash, session_id, issued_at, expires_at)
        VALUES (${'a'.repeat(64)}, 's', ${now}, ${now} + 1000000)`,
      sql`INSERT INTO api_keys (key_id, user_id, name, secret_hash, scopes, created_at)
        VALUES ('k', ${ada.userId}, 'a key', ${'b'.repeat(64)}, '[]', ${now})`,
      sql`INSERT INTO one_time_tokens VALUES (${'c'.repeat(64)}, 'reset_by_mail', ${ada.userId}, ${now}, ${now} + 1000000)`,
      sql`INSERT INTO groups VALUES ('g', 'a group', ${now}, ${now})`,
      sql`INSERT INTO invitations (invitation_id, group_id, email_hmac, email_sealed, role, invited_by, token_hash, created_at, expires_at)
        VALUES ('i', 'g', ${'d'.repeat(64)}, x'00', 'viewer', ${ada.userId}, ${'e'.repeat(64)}, ${now}, ${now} + 1000000)`,
      sql`INSERT INTO outgoing_mail VALUES ('m', ${ada.userId}, x'00', ${now}, ${now} + 1000000)`,
    ]);
  }

  test('does not bring back to life what may have ended since', async () => {
    await withGrants();
    const signed = (await (await openSigningKeys({ db, secrets })).publicKeys()).map(({ kid }) => kid);
    const report = await restore((await makeBackup()).path);

    expect(report).toMatchObject({ sessionsRevoked: 1, apiKeysDeleted: 1, invitationsDeleted: 1 });
    await inRestored(async (restored) => {
      for (const table of ['refresh_tokens', 'api_keys', 'one_time_tokens', 'invitations', 'outgoing_mail', 'cache']) {
        expect(await restored.query({ text: `SELECT * FROM ${table}`, values: [] }), table).toEqual([]);
      }
      expect(await restored.query(sql`SELECT * FROM sessions WHERE revoked_at IS NULL`)).toEqual([]);
      const kids = (await (await openSigningKeys({ db: restored, secrets })).publicKeys()).map(({ kid }) => kid);
      expect(kids).not.toEqual(signed);
      expect(
        await restored.query(sql`SELECT detail ->> 'api_keys_kept' AS kept FROM audit_log
        WHERE action = 'backup.restored'`),
      ).toEqual([{ kept: 0 }]);
    });
  });

  test('has no epoch that was in use since the backup', async () => {
    const { path } = await makeBackup();
    const epochs: number[] = [];
    const select = sql<{ authz_epoch: number }>`SELECT authz_epoch FROM users`;
    for (let change = 0; change < 20; change++) {
      epochs.push((await db.query(select))[0]!.authz_epoch);
      await db.batch([sql`UPDATE users SET authz_epoch = authz_epoch + 1`]);
    }
    for (const name of ['first', 'second']) {
      const dataDir = join(root, name);
      await restore(path, { dataDir });
      epochs.push(await inRestored(async (restored) => (await restored.query(select))[0]!.authz_epoch, dataDir));
    }
    expect(new Set(epochs).size).toBe(22);
  });

  test('keeps API keys on demand', async () => {
    await withGrants();
    expect(await restore((await makeBackup()).path, { keepApiKeys: true })).toMatchObject({ apiKeysDeleted: 0 });
    await inRestored(async (restored) => expect(await restored.query(sql`SELECT * FROM api_keys`)).toHaveLength(1));
  });

  test('runs again what was running, without counting an attempt or a crash', async () => {
    await db.batch([
      sql`INSERT INTO workers (worker_id, host, pid, job_types, started_at, lease_until)
        VALUES ('w', 'h', 1, '[]', ${now}, ${now} + 1000000)`,
      sql`INSERT INTO jobs (job_id, job_type, payload, status, worker_id, fence, attempts, run_at, created_at, updated_at)
        VALUES ('j', 'other', '{}', 'processing', 'w', 3, 2, ${now}, ${now}, ${now})`,
    ]);
    expect(await restore((await makeBackup()).path)).toMatchObject({ jobsRequeued: 1 });
    await inRestored(async (restored) => {
      expect(
        await restored.query(sql`SELECT status, worker_id, attempts, crashes, fence FROM jobs WHERE job_id = 'j'`),
      ).toEqual([{ status: 'pending', worker_id: null, attempts: 1, crashes: 0, fence: 3 }]);
      expect(await restored.query(sql`SELECT * FROM workers`)).toEqual([]);
    });
  });

  test('comes with its files under their keys', async () => {
    const key = await addOriginal('some words');
    await restore((await makeBackup()).path);
    const restored = await openDirectoryStorage(join(root, 'restored', 'files'));
    expect(await text(await restored.open(key))).toBe('some words');
  });
});

describe('refused, with nothing written', () => {
  let copy: string;
  let key: string;

  beforeEach(async () => {
    key = await addOriginal('some words');
    copy = join(root, 'copy');
    await cp((await makeBackup()).path, copy, { recursive: true });
  });

  async function refused(expected: { code: string; detail: string | RegExp }, settings: RestoreSettings = {}) {
    await expect(restore(copy, settings)).rejects.toMatchObject({
      code: expected.code,
      detail: expect.stringMatching(expected.detail),
    });
    expect(await readdir(root)).not.toContain('restored');
  }

  /** Writes the checksum of the database anew, as somebody would who changes a backup on purpose. */
  async function changeDatabase(script: string): Promise<void> {
    const database = new DatabaseSync(join(copy, 'anyrag.db'));
    database.exec(script);
    database.close();
    await forgeSums();
  }

  async function forgeSums(): Promise<void> {
    const sumOf = async (name: string) =>
      createHash('sha256')
        .update(await readFile(join(copy, name)))
        .digest('hex');
    const sums = (await readFile(join(copy, 'SHA256SUMS'), 'utf8')).split('\n').slice(1);
    await writeFile(join(copy, 'SHA256SUMS'), [`${await sumOf('anyrag.db')}  anyrag.db`, ...sums].join('\n'));
    const manifest = JSON.parse(await readFile(join(copy, 'manifest.json'), 'utf8'));
    await writeFile(
      join(copy, 'manifest.json'),
      JSON.stringify({ ...manifest, sums_sha256: await sumOf('SHA256SUMS') }),
    );
  }

  test.each<[string, () => Promise<void>, RegExp]>([
    ['a file with another content', () => writeFile(join(copy, 'files', key), 'other words'), /^files\/.+ is damaged/],
    ['a file that is gone', () => rm(join(copy, 'files', key)), /^files\/.+ is missing/],
    ['a database that was cut off', () => truncate(join(copy, 'anyrag.db'), 8192), /^anyrag\.db is damaged/],
    ['no manifest', () => rm(join(copy, 'manifest.json')), /no backup, or half of one/],
    ['half a manifest', () => truncate(join(copy, 'manifest.json'), 40), /not JSON/],
    ['a manifest of a later format', () => writeFile(join(copy, 'manifest.json'), '{"format_version":2}'), /newer/],
    ['no checksums', () => rm(join(copy, 'SHA256SUMS')), /no backup, or half of one/],
    ['checksums of another backup', () => writeFile(join(copy, 'SHA256SUMS'), ''), /not the one/],
  ])('%s', async (_, damage, detail) => {
    await damage();
    await refused({ code: 'backup_unusable', detail });
  });

  test('a name that leads out of the folder', async () => {
    const sums = join(copy, 'SHA256SUMS');
    await writeFile(sums, (await readFile(sums, 'utf8')).replace(key, `${key.slice(0, 3)}../../../x`));
    await forgeSums();
    await refused({ code: 'backup_unusable', detail: /belongs to no backup/ });
  });

  test('a database that is damaged inside', async () => {
    const path = join(copy, 'anyrag.db');
    const bytes = await readFile(path);
    bytes.fill(0xff, 4 * 8192, 12 * 8192);
    await writeFile(path, bytes);
    await forgeSums();
    await refused({ code: 'backup_unusable', detail: /damaged|cannot be read/ });
  });

  test('a database of a newer version', async () => {
    await changeDatabase("INSERT INTO schema_migrations VALUES (9999, 'later', '', 0)");
    await refused({ code: 'schema_mismatch', detail: /newer than this version/ });
  });

  test('a database that names files which the backup lacks', async () => {
    await changeDatabase(`UPDATE document_versions SET storage_key = '00/00000000-0000-7000-8000-000000000000'`);
    await refused({ code: 'backup_unusable', detail: /lacks 1 files/ });
  });

  test('accounts whose secret is not there, or is another one', async () => {
    await refused({ code: 'config_invalid', detail: /set SECRET_KEY/ }, { secret: null });
    await refused({ code: 'config_invalid', detail: /Another secret/ }, { secret: `${TEST_SECRET}!` });
  });

  test('a place where something is', async () => {
    const dataDir = join(root, 'occupied');
    await mkdir(join(dataDir, 'files', '00'), { recursive: true });
    const stored = join('files', '00', '00000000-0000-7000-8000-000000000000');
    for (const name of ['letters.txt', 'anyrag.db-wal', stored]) {
      await writeFile(join(dataDir, name), 'x');
      await expect(restore(copy, { dataDir })).rejects.toMatchObject({ code: 'conflict' });
      expect(await filesIn(dataDir)).toEqual([name]);
      await rm(join(dataDir, name));
    }
    await restore(copy, { dataDir });
    await expect(restore(copy, { dataDir })).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('a restore that was cut off', () => {
  test('begins anew, also with another backup, and leaves nothing of the first', async () => {
    const key = await addOriginal('some words');
    const { path } = await makeBackup();
    const dataDir = join(root, 'restored');
    const copy = join(root, 'copy');
    await cp(path, copy, { recursive: true });
    // Noticed after the first file is in its place, like a disk that fails.
    const failing = restoreBackup(
      {
        dataDir,
        targets: { database: join(dataDir, 'anyrag.db'), storage: join(dataDir, 'files') },
        migrationsDirectory: MIGRATIONS,
        async openStorage() {
          const opened = await openDirectoryStorage(join(dataDir, 'files'));
          const putBack: Storage['putBack'] = async (...args) => {
            await opened.putBack(...args);
            throw new Error('the disk is gone');
          };
          return { ...opened, putBack };
        },
        secret: { isThere: true, open: async () => secrets },
      },
      { source: copy, keepApiKeys: false },
    );
    await expect(failing).rejects.toThrow('the disk is gone');
    await expect(assertRestoreFinished(dataDir)).rejects.toMatchObject({ code: 'database_unavailable' });

    await mkdir(join(dataDir, 'anyrag.db.restoring'));
    await deleteDocument(key);
    const other = await addOriginal('other words');

    await restore((await makeBackup()).path);

    await assertRestoreFinished(dataDir);
    expect((await filesIn(dataDir)).sort()).toEqual(['anyrag.db', `files/${other}`]);
  });

  test('is not begun beside one that runs', async () => {
    const { path } = await makeBackup();
    const dataDir = join(root, 'restored');
    const targets = { database: join(dataDir, 'anyrag.db'), storage: join(dataDir, 'files') };
    await mkdir(dataDir);
    const marker = join(dataDir, 'restore-unfinished');
    await writeFile(marker, JSON.stringify({ ...targets, pid: process.ppid }));
    await expect(restore(path)).rejects.toMatchObject({ code: 'conflict' });
    expect(await readdir(dataDir)).toEqual(['restore-unfinished']);
    await rm(marker);
    await restore(path);
  });

  test('elsewhere leaves this place alone', async () => {
    const { path } = await makeBackup();
    const dataDir = join(root, 'restored');
    await mkdir(dataDir);
    await writeFile(
      join(dataDir, 'restore-unfinished'),
      JSON.stringify({ database: '/other', storage: '/other', pid: process.pid }),
    );
    await writeFile(join(dataDir, 'anyrag.db'), 'not ours');
    await expect(restore(path)).rejects.toMatchObject({ code: 'conflict' });
    expect(await readFile(join(dataDir, 'anyrag.db'), 'utf8')).toBe('not ours');
  });
});

/** The methods of a database as they are, to replace some of them. */
function bound(database: Database): Database {
  return {
    path: database.path,
    query: (statement, options) => database.query(statement, options),
    batch: (statements) => database.batch(statements),
    dataVersion: () => database.dataVersion(),
    copyTo: (path) => database.copyTo(path),
    close: () => database.close(),
  };
}
