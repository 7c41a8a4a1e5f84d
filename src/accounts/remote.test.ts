import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accountDependencies, registerUser, TEST_PASSWORD } from '../../test/harness/accounts.ts';
import { type HranaServer, startHranaServer } from '../../test/hrana-server/server.ts';
import { authenticate } from '../access/index.ts';
import type { Database } from '../db/database.ts';
import { migrate } from '../db/migrate.ts';
import { openRemoteDatabase } from '../db/remote-database.ts';
import { createApiKey } from './create-api-key.ts';
import { listApiKeys } from './list-api-keys.ts';
import { login } from './login.ts';
import { logout } from './logout.ts';
import { me } from './profile.ts';
import { refresh } from './refresh.ts';

const MIGRATIONS = join(import.meta.dirname, '../../migrations');
const REFUSED = { code: 'invalid_credentials' };
let directory: string;
let server: HranaServer;
let db: Database;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'anyrag-remote-'));
  server = await startHranaServer({ path: join(directory, 'server.db') });
  db = await openRemoteDatabase({ url: server.url });
  await migrate(db, MIGRATIONS);
});
afterAll(async () => {
  await db.close();
  await server.close();
  await rm(directory, { recursive: true });
});

test('accounts keep their promises on a database behind a URL as well', async () => {
  const dependencies = await accountDependencies(db);
  const subjectOf = (token: string) => authenticate(dependencies, `Bearer ${token}`);

  const ada = await registerUser(dependencies);
  await expect(registerUser(dependencies)).rejects.toMatchObject({ code: 'email_taken' });
  const credentials = { email: 'ada@example.com', password: TEST_PASSWORD, clientAddress: '::1' };
  const second = await login(dependencies, credentials);

  const subject = await subjectOf(second.tokens.accessToken);
  expect(await me(dependencies, subject)).toMatchObject({ email: 'ada@example.com', systemRoles: [], groups: [] });
  const { key, secret } = await createApiKey(dependencies, subject, { name: 'laptop', expiresAt: null });
  expect(await listApiKeys(dependencies, subject, { before: null, limit: 10 })).toEqual([key]);
  expect(await subjectOf(secret)).toMatchObject({ via: 'api_key', userId: ada.user.userId });

  const third = await refresh(dependencies, { refreshToken: second.tokens.refreshToken });
  await expect(refresh(dependencies, { refreshToken: second.tokens.refreshToken })).rejects.toMatchObject(REFUSED);
  await expect(subjectOf(third.tokens.accessToken)).rejects.toMatchObject(REFUSED);

  await logout(dependencies, await subjectOf(ada.tokens.accessToken));
  await expect(subjectOf(ada.tokens.accessToken)).rejects.toMatchObject(REFUSED);
});
