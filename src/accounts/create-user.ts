import { type SystemRole, systemSubject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { AccountDependencies } from './dependencies.ts';
import { createdUser, type NewUserInput, prepareUser } from './new-user.ts';
import type { User } from './user.ts';

/**
 * Makes an account on behalf of the operator of the machine, whatever REGISTRATION says; the way to the first super_admin.
 * The operator vouches for the address. Throws `AppError` validation_failed, email_taken.
 */
export async function createUser(
  dependencies: Pick<AccountDependencies, 'db' | 'secrets' | 'passwords'>,
  input: NewUserInput & { readonly role: SystemRole | null },
): Promise<User> {
  const { role } = input;
  const prepared = await prepareUser(dependencies, input, { emailState: 'assumed', role });
  const target = { type: 'user', id: prepared.user.userId } as const;
  const audit = recordAudit(systemSubject(), 'user.created', target, { detail: { role } });
  return createdUser(prepared, await dependencies.db.batch([...prepared.statements, audit]));
}
