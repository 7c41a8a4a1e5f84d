import { AppError } from '../errors/app-error.ts';
import type { AccountDependencies } from './dependencies.ts';
import { createdUser, type NewUserInput, prepareUser } from './new-user.ts';
import { prepareSession, type SignedIn } from './session.ts';

/**
 * Makes an account for whoever asks and signs them in, all or nothing. Throws `AppError` registration_closed unless
 * registration is open, validation_failed, email_taken, overloaded.
 */
export async function register(
  dependencies: Omit<AccountDependencies, 'throttle'>,
  input: NewUserInput,
): Promise<SignedIn> {
  if (dependencies.registration !== 'open') throw new AppError('registration_closed');
  const prepared = await prepareUser(dependencies, input, null);
  const session = await prepareSession(dependencies.keys, prepared.user.userId);
  const rows = await dependencies.db.batch([...prepared.statements, ...session.statements]);
  return { user: createdUser(prepared, rows), tokens: session.tokens };
}
