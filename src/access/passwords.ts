import * as nativeArgon2 from '@node-rs/argon2';
import { AppError } from '../errors/app-error.ts';

/** OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, two passes, one lane. About 30 ms of one core. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/** Each occupies one of Node's four pool threads, which files and DNS need too: 32 at once blocked the pool for 1.8 s. */
const MAX_PARALLEL = 2;
/** About a second of work; whoever comes later is better told at once. */
const MAX_WAITING = 60;

/** Of a random password nobody knows, with the parameters above. */
const DUMMY_HASH = '$argon2id$v=19$m=19456,t=2,p=1$rV8Tordw1QvXkiVin1tkHg$oKz9UqKDEqjWI19IRNTZVTvXVw3XlkWD5+gY+MIy5nA';

/** The two functions of `@node-rs/argon2` that take the time. */
export type Argon2 = Pick<typeof nativeArgon2, 'hash' | 'verify'>;

export interface Passwords {
  /** Argon2id hash in PHC string format. Throws `AppError` overloaded when too many others wait. */
  hash(password: string): Promise<string>;
  /**
   * Whether the password belongs to the hash. With null (there is no such user) a dummy hash is verified, so that the answer
   * "no" takes the same work. A malformed hash matches nothing. Throws `AppError` overloaded when too many others wait.
   */
  verify(hash: string | null, password: string): Promise<boolean>;
  /** Whether the hash was made with parameters that are not today's. */
  isOutdated(hash: string): boolean;
}

export function createPasswords(argon2: Argon2 = nativeArgon2): Passwords {
  const inTurn = limitParallel(MAX_PARALLEL, MAX_WAITING);
  return {
    hash: (password) => inTurn(() => argon2.hash(toHashable(password), PARAMETERS)),
    async verify(hash, password) {
      const known = hash !== null && parametersOf(hash) !== null;
      const matches = await inTurn(() => argon2.verify(known ? hash : DUMMY_HASH, toHashable(password)));
      return known && matches;
    },
    isOutdated(hash) {
      const parameters = parametersOf(hash);
      return (
        parameters?.memoryCost !== PARAMETERS.memoryCost ||
        parameters.timeCost !== PARAMETERS.timeCost ||
        parameters.parallelism !== PARAMETERS.parallelism
      );
    },
  };
}

/** NFKC, so that a password typed on another keyboard or system is the same one (NIST SP 800-63B §3.1.1.2). */
function toHashable(password: string): string {
  return password.normalize('NFKC');
}

/** Null for what is not a hash of argon2; the package throws then. */
function parametersOf(hash: string): nativeArgon2.ParsedHashOptions | null {
  try {
    return nativeArgon2.parseOptions(hash);
  } catch {
    return null;
  }
}

function limitParallel(maxParallel: number, maxWaiting: number) {
  const waiting: (() => void)[] = [];
  let running = 0;

  return async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (running >= maxParallel) {
      if (waiting.length >= maxWaiting) {
        throw new AppError('overloaded', 'Too many sign-ins at the moment', { retryAfterSeconds: 1 });
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else {
      running++;
    }
    try {
      return await work();
    } finally {
      // The place is handed on, not given back, so that nobody can slip in between.
      const next = waiting.shift();
      if (next === undefined) running--;
      else next();
    }
  };
}
