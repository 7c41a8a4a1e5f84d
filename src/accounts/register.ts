import { guestSubject } from '../access/index.ts';
import { recordAudit } from '../audit/index.ts';
import type { Statement } from '../db/database.ts';
import { AppError, hasCode } from '../errors/app-error.ts';
import { askForMail } from './account-mail.ts';
import type { AccountDependencies } from './dependencies.ts';
import { createdUser, type NewUserInput, type PreparedUser, prepareUser } from './new-user.ts';
import { prepareSession, type SignedIn } from './session.ts';

export interface RegistrationInput extends NewUserInput {
  /** From the mail that invites somebody. */
  readonly invitationToken?: string | null | undefined;
}

export type Registration =
  | { readonly kind: 'signed_in'; readonly signedIn: SignedIn }
  /** Whether an account was made or there was one already is only said in the mail. */
  | { readonly kind: 'check_mail' };

type RegisterDependencies = Omit<AccountDependencies, 'throttle'>;

/**
 * Makes an account for whoever asks. Where mail can be sent, the address has to be proven first, and the outcome is the same
 * for one that has an account already. Otherwise, and for somebody who was invited to this address, they are signed in. All or
 * nothing. Throws `AppError` registration_closed, validation_failed, overloaded; email_taken where no mail can be sent.
 */
export async function register(dependencies: RegisterDependencies, input: RegistrationInput): Promise<Registration> {
  assertOpenTo(dependencies, input);
  if (input.invitationToken != null || !dependencies.sendsMail) return registerAtOnce(dependencies, input);
  const prepared = await prepareUser(dependencies, input, { emailState: 'unproven' });
  const mail = askForMail('registration', prepared.user.userId);
  try {
    await dependencies.db.batch([...prepared.statements, registered(prepared), ...mail]);
  } catch (error) {
    if (!hasCode(error, 'email_taken')) throw error;
    await dependencies.db.batch(mail);
  }
  return { kind: 'check_mail' };
}

async function registerAtOnce(dependencies: RegisterDependencies, input: RegistrationInput): Promise<Registration> {
  const prepared = await prepareUser(dependencies, input, { emailState: 'assumed' });
  const session = await prepareSession(dependencies.keys, prepared.user.userId, 'registration');
  const rows = await dependencies.db.batch([
    ...prepared.statements,
    registered(prepared),
    ...admission(dependencies, prepared, input.invitationToken ?? null),
    ...session.statements,
  ]);
  return { kind: 'signed_in', signedIn: { user: createdUser(prepared, rows), tokens: session.tokens } };
}

function registered({ user }: PreparedUser): Statement {
  return recordAudit(guestSubject(), 'user.registered', { type: 'user', id: user.userId }, { concerns: user.userId });
}

function assertOpenTo(
  { registration, admitInvited }: RegisterDependencies,
  { invitationToken }: RegistrationInput,
): void {
  const isInvited = invitationToken != null && admitInvited !== null;
  if (invitationToken != null && !isInvited) throw new AppError('registration_closed');
  if (registration === 'open' || (registration === 'invite' && isInvited)) return;
  throw new AppError('registration_closed');
}

function admission(
  { admitInvited }: RegisterDependencies,
  { user }: PreparedUser,
  invitationToken: string | null,
): Statement[] {
  if (invitationToken === null || admitInvited === null) return [];
  return admitInvited({ invitationToken, emailHmac: user.userId, userId: user.userId });
}
