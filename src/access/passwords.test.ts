import * as nativeArgon2 from '@node-rs/argon2';
import { describe, expect, test } from 'vitest';
import { type Argon2, createPasswords } from './passwords.ts';

const PASSWORD = 'correct horse battery staple';

/** The real functions, with a record of the hashes that were verified. */
function recordingArgon2() {
  const verified: string[] = [];
  const argon2: Argon2 = {
    hash: nativeArgon2.hash,
    verify: (hash, password) => {
      verified.push(String(hash));
      return nativeArgon2.verify(hash, password);
    },
  };
  return { argon2, verified };
}

describe('a password', () => {
  const passwords = createPasswords();

  test('matches its hash, another one does not', async () => {
    const hash = await passwords.hash(PASSWORD);
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await passwords.verify(hash, PASSWORD)).toBe(true);
    expect(await passwords.verify(hash, `${PASSWORD}!`)).toBe(false);
  });

  test('is the same however its characters are composed', async () => {
    const hash = await passwords.hash('pa\u0308sswort mit ﬁne');
    expect(await passwords.verify(hash, 'p\u00e4sswort mit fine')).toBe(true);
  });

  test.each(['', 'nonsense', '$argon2id$v=19$m=19456,t=2,p=1$', '$2b$10$abcdefghijklmnopqrstuv'])(
    'does not match the malformed hash %j',
    async (hash) => {
      expect(await passwords.verify(hash, PASSWORD)).toBe(false);
    },
  );

  test('makes another hash each time', async () => {
    expect(await passwords.hash(PASSWORD)).not.toBe(await passwords.hash(PASSWORD));
  });
});

describe('a user who does not exist', () => {
  test('costs the verification of a hash with the parameters of today', async () => {
    const { argon2, verified } = recordingArgon2();
    const passwords = createPasswords(argon2);
    expect(await passwords.verify(null, PASSWORD)).toBe(false);
    expect(verified).toHaveLength(1);
    expect(passwords.isOutdated(verified[0]!)).toBe(false);
  });

  test('is never let in, whatever the dummy hash says', async () => {
    const yes: Argon2 = { hash: nativeArgon2.hash, verify: async () => true };
    expect(await createPasswords(yes).verify(null, PASSWORD)).toBe(false);
  });
});

test.each([
  ['less memory', { memoryCost: 8192, timeCost: 2, parallelism: 1 }, true],
  ['fewer passes', { memoryCost: 19_456, timeCost: 1, parallelism: 1 }, true],
  ['the parameters of today', { memoryCost: 19_456, timeCost: 2, parallelism: 1 }, false],
])('a hash with %s', async (_, parameters, outdated) => {
  expect(createPasswords().isOutdated(await nativeArgon2.hash(PASSWORD, parameters))).toBe(outdated);
});

describe('hashing at once', () => {
  /** Hashes that end when they are told to. */
  function heldArgon2() {
    const finish: (() => void)[] = [];
    let most = 0;
    let running = 0;
    const argon2: Argon2 = {
      async hash() {
        most = Math.max(most, ++running);
        await new Promise<void>((resolve) => finish.push(resolve));
        running--;
        return 'hash';
      },
      verify: async () => false,
    };
    return { argon2, finish, mostAtOnce: () => most };
  }

  test('is done two at a time; who comes when the queue is full is told to come back', async () => {
    const { argon2, finish, mostAtOnce } = heldArgon2();
    const passwords = createPasswords(argon2);
    const results = Array.from({ length: 62 }, () => passwords.hash(PASSWORD));
    await expect(passwords.hash(PASSWORD)).rejects.toMatchObject({ code: 'overloaded', retryAfterSeconds: 1 });
    for (let done = 0; done < results.length; done++) {
      await expect.poll(() => finish.length).toBeGreaterThan(0);
      finish.shift()!();
    }
    expect(await Promise.all(results)).toHaveLength(62);
    expect(mostAtOnce()).toBe(2);
  });

  test('goes on after a failure', async () => {
    let failures = 0;
    const failing: Argon2 = {
      hash: async () => {
        failures++;
        throw new Error('no memory');
      },
      verify: async () => false,
    };
    const passwords = createPasswords(failing);
    await Promise.allSettled(Array.from({ length: 20 }, () => passwords.hash(PASSWORD)));
    expect(failures).toBe(20);
  });
});
