/** Where people follow links to, and where programs send tokens to. */
export interface MailContext {
  /** Base URL of this server as its users see it, without a slash at the end. */
  readonly publicUrl: string;
}

export interface MailText {
  readonly subject: string;
  readonly text: string;
}

// Tokens stand behind #, which browsers send to nobody and servers do not log. Names and other words of users stand nowhere:
// whoever registers somebody else's address could put a message of their own there.

/** @param token good for a day */
export function verificationMail({ publicUrl }: MailContext, token: string): MailText {
  return {
    subject: 'Verify your e-mail address',
    text: `Somebody, hopefully you, has registered this address at ${publicUrl}.

Sign in there and open this link within 24 hours to verify the address:
${publicUrl}/verify-email#token=${token}

or give this code where you are asked for it:
${token}

If it was not you, do nothing. If you want to use the address yourself, ask for a new password there:
that ends all access of whoever registered it.
`,
  };
}

export function accountExistsMail({ publicUrl }: MailContext): MailText {
  return {
    subject: 'You have an account already',
    text: `Somebody, hopefully you, wanted to register this address at ${publicUrl}.

You have an account there already. Sign in with it, or ask for a new password if you have
forgotten yours. If it was not you, do nothing.
`,
  };
}

/** @param token good for half an hour */
export function passwordResetMail({ publicUrl }: MailContext, token: string): MailText {
  return {
    subject: 'Choose a new password',
    text: `Somebody, hopefully you, has asked for a new password at ${publicUrl}.

Open this link within 30 minutes to choose one:
${resetLink(publicUrl, token)}

or give this code where you are asked for it:
${token}

If it was not you, do nothing: your password stays as it is.
`,
  };
}

export function passwordChangedMail({ publicUrl }: MailContext): MailText {
  return {
    subject: 'Your password was changed',
    text: `The password of your account at ${publicUrl} has just been changed, and all other sessions
were ended.

If it was not you, ask for a new password there at once, and tell the operator.
`,
  };
}

export function resetLink(publicUrl: string, token: string): string {
  return `${publicUrl}/reset-password#token=${token}`;
}
