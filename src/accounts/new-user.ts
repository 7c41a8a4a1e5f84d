import { assertGoodPassword, normaliseEmail, type SystemRole, userIdOf } from '../access/index.ts';
import type { Statement } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import type { AccountDependencies } from './dependencies.ts';
import { insertCredential, insertEmailIdentifier, insertUser, insertUserRole, requireFreeEmail } from './queries.ts';
import { type EmailState, sealUser, type User } from './user.ts';

export interface NewUserInput {
  readonly email: string;
  readonly password: string;
  readonly name?: string | null | undefined;
}

export interface PreparedUser {
  readonly user: Omit<User, 'createdAt'>;
  /** The rows of the user. The batch is aborted with email_taken where the address is taken. */
  readonly statements: readonly Statement[];
}

/** Checks and hashes; writes nothing. Throws `AppError` validation_failed (path `body.email` or `body.password`), overloaded. */
export async function prepareUser(
  { secrets, passwords }: Pick<AccountDependencies, 'secrets' | 'passwords'>,
  input: NewUserInput,
  { emailState, role = null }: { emailState: EmailState; role?: SystemRole | null },
): Promise<PreparedUser> {
  const email = validEmail(input.email);
  assertGoodPassword(input.password, email);
  const prepared = prepareUserWithoutPassword(secrets, { email, name: input.name ?? null, emailState });
  const statements = [
    ...prepared.statements,
    insertCredential(prepared.user.userId, await passwords.hash(input.password)),
    ...(role === null ? [] : [insertUserRole(prepared.user.userId, role)]),
  ];
  return { ...prepared, statements };
}

/** Somebody who signs in elsewhere. The address must be normalised. */
export function prepareUserWithoutPassword(
  secrets: AccountDependencies['secrets'],
  { email, name, emailState }: { email: string; name: string | null; emailState: EmailState },
): PreparedUser {
  const user = { userId: userIdOf(email, secrets), email, name };
  return {
    user,
    statements: [
      requireFreeEmail(user.userId),
      insertUser(sealUser(secrets, user), emailState),
      insertEmailIdentifier(user.userId, user.userId),
    ],
  };
}

/** The user with the instant that the database gave, from the rows of a batch that began with `prepared.statements`. */
export function createdUser(prepared: PreparedUser, rows: readonly Record<string, unknown>[][]): User {
  return { ...prepared.user, createdAt: rows[1]![0]!.created_at as number };
}

/** The address in its one spelling. Throws `AppError` validation_failed (path `body.email`) for what is none. */
export function validEmail(text: string): string {
  const email = normaliseEmail(text);
  if (email !== null) return email;
  const message = 'is not an e-mail address';
  throw new AppError('validation_failed', message, { errors: [{ path: 'body.email', message }] });
}
