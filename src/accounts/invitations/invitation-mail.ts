import { INVITATION_DAYS } from './invitation.ts';

const DAY_MS = 86_400_000;

/** The token stands behind #, which browsers send to nobody and servers do not log. */
export function invitationLink(publicUrl: string, token: string): string {
  return `${publicUrl}/accept-invitation#token=${token}`;
}

/** Names neither the group nor who invites: both are words of users, who could put a message of their own there. */
export function invitationMail(publicUrl: string, token: string): { subject: string; text: string; lifeMs: number } {
  return {
    subject: 'You are invited to a group',
    text: `Somebody invites you to a group at ${publicUrl}.

Sign in there with this address, or register it, and open this link within ${INVITATION_DAYS} days:
${invitationLink(publicUrl, token)}

or give this code where you are asked for it:
${token}

If you do not know what this is about, do nothing.
`,
    lifeMs: INVITATION_DAYS * DAY_MS,
  };
}
