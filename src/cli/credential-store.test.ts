import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ProblemError, type SignedIn } from '../client/index.ts';
import { type CredentialStore, openCredentialStore, type StoredLogin } from './credential-store.ts';
import { storedCredentials } from './stored-credentials.ts';

const SERVER = 'http://127.0.0.1:9090';
let folder: string;
let path: string;
let store: CredentialStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anyrag-credentials-'));
  path = join(folder, 'anyrag', 'credentials.json');
  store = openCredentialStore(path);
});
afterEach(() => rm(folder, { recursive: true }));

function login(overrides: Partial<StoredLogin> = {}): StoredLogin {
  return { email: 'a@example.org', access_token: 'a0', access_expires_at: 0, refresh_token: 'r0', ...overrides };
}

/** A pid that was alive and is no more. */
function deadPid(): number {
  return spawnSync(process.execPath, ['--version']).pid;
}

describe('stored sign-ins', () => {
  test('are kept for each server apart, in a file for the user alone', async () => {
    await store.change(SERVER, async () => login());
    await store.change('https://rag.example.org', async () => login({ email: 'b@example.org' }));
    await store.change(SERVER, async () => null);
    expect(await store.read(SERVER)).toBeNull();
    expect(await store.read('https://rag.example.org')).toMatchObject({ email: 'b@example.org' });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, 'anyrag'))).toEqual(['credentials.json']);
  });

  test('stay as they are when a change fails', async () => {
    await store.change(SERVER, async () => login());
    const failing = store.change(SERVER, async () => {
      throw new Error('no network');
    });
    await expect(failing).rejects.toThrow('no network');
    expect(await store.read(SERVER)).toEqual(login());
    await store.change(SERVER, async () => null);
  });

  test('changes wait for each other', async () => {
    await store.change(SERVER, async () => login({ access_expires_at: 0 }));
    const increment = () =>
      openCredentialStore(path).change(SERVER, async (current) => {
        await new Promise(setImmediate);
        return { ...current!, access_expires_at: current!.access_expires_at + 1 };
      });
    await Promise.all(Array.from({ length: 10 }, increment));
    expect((await store.read(SERVER))!.access_expires_at).toBe(10);
  });

  test.each<[string, () => Promise<void>]>([
    [
      'whose process is gone',
      () => writeFile(`${path}.lock`, JSON.stringify({ pid: deadPid(), host: hostname() }), { flag: 'w' }),
    ],
    [
      'that is too old',
      async () => {
        await writeFile(`${path}.lock`, JSON.stringify({ pid: process.pid, host: 'elsewhere' }));
        await utimes(`${path}.lock`, 0, 0);
      },
    ],
  ])('a lock %s is taken over', async (_name, leaveLock) => {
    await store.change(SERVER, async () => login());
    await leaveLock();
    await store.change(SERVER, async () => null);
    expect(await store.read(SERVER)).toBeNull();
  });

  test.each<[string, () => Promise<unknown>, string]>([
    ['that others can read', () => chmod(path, 0o644), 'chmod 600'],
    ['that is no JSON', () => writeFile(path, '{'), 'sign in again'],
    ['of another form', () => writeFile(path, '[]'), 'sign in again'],
  ])('a file %s is refused with the way out', async (_name, spoil, wayOut) => {
    await store.change(SERVER, async () => login());
    await spoil();
    await expect(store.read(SERVER)).rejects.toThrow(wayOut);
  });
});

describe('renewing', () => {
  const later = () => Date.now() + 600_000;

  function server() {
    const spent: string[] = [];
    return {
      spent,
      async refresh(token: string): Promise<SignedIn> {
        spent.push(token);
        return {
          user: { user_id: 'u', email: 'a@example.org', name: null, created_at: '' },
          access_token: `a${spent.length}`,
          token_type: 'Bearer',
          expires_in: 600,
          refresh_token: `r${spent.length}`,
        };
      },
    };
  }

  test('a token that is still good is used as it is, and nobody is a guest', async () => {
    const { refresh, spent } = server();
    const credentials = storedCredentials(store, SERVER, refresh);
    expect(await credentials.token()).toBeNull();
    await store.change(SERVER, async () => login({ access_expires_at: later() }));
    expect(await credentials.token()).toBe('a0');
    expect(spent).toEqual([]);
  });

  test('one that has ended is renewed once for all who ask, and the next refresh token is stored', async () => {
    await store.change(SERVER, async () => login());
    const { refresh, spent } = server();
    const all = Array.from({ length: 5 }, () => storedCredentials(store, SERVER, refresh).token());
    expect(await Promise.all(all)).toEqual(['a1', 'a1', 'a1', 'a1', 'a1']);
    expect(spent).toEqual(['r0']);
    expect(await store.read(SERVER)).toMatchObject({ access_token: 'a1', refresh_token: 'r1' });
  });

  test('one that the server refused is renewed, unless another process already has', async () => {
    await store.change(SERVER, async () => login({ access_expires_at: later() }));
    const { refresh, spent } = server();
    const credentials = storedCredentials(store, SERVER, refresh);
    expect(await credentials.renew('a0')).toBe('a1');
    expect(await credentials.renew('a0')).toBe('a1');
    expect(spent).toEqual(['r0']);
  });

  test('a session that has ended is forgotten', async () => {
    await store.change(SERVER, async () => login());
    const refused = {
      type: '',
      title: '',
      status: 401,
      detail: '',
      instance: '',
      code: 'invalid_credentials',
      trace_id: '',
    };
    const credentials = storedCredentials(store, SERVER, async () => {
      throw new ProblemError(refused);
    });
    expect(await credentials.token()).toBeNull();
    expect(await store.read(SERVER)).toBeNull();
  });

  test('a server that cannot be reached costs nothing', async () => {
    await store.change(SERVER, async () => login());
    const credentials = storedCredentials(store, SERVER, async () => {
      throw new Error('unreachable');
    });
    await expect(credentials.token()).rejects.toThrow('unreachable');
    expect(await store.read(SERVER)).toEqual(login());
  });
});
