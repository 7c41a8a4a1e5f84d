import { AppError } from '../errors/app-error.ts';

const MIN_CHARACTERS = 12;
/** Long enough for any passphrase, short enough to cost nothing to read. */
const MAX_CHARACTERS = 128;
/** NFKC can make one character eighteen: what is longer than this before is not looked at. */
const MAX_RAW_CHARS = 1_024;
const MIN_DISTINCT_CHARACTERS = 5;
/** What a password must have besides the name in the e-mail address, which everybody knows. */
const MIN_CHARACTERS_BESIDES_NAME = 8;
const SEQUENCES = [
  '01234567890123456789',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiopasdfghjklzxcvbnm',
  '1qaz2wsx3edc4rfv5tgb',
];
/** Words that make up most passwords of twelve characters and more in public lists of leaked ones. */
const COMMON_STEMS =
  'password passwort passw0rd p@ssw0rd p@ssword motdepasse contrasena admin administrator welcome letmein iloveyou qwerty ' +
  'qwertz azerty qwertyuiop monkey dragon football baseball sunshine princess superman trustno1 changeme secret default ' +
  'login master hello google starwars computer internet';
const COMMON_PASSWORDS =
  '1q2w3e4r5t6y 1q2w3e4r5t6y7u q1w2e3r4t5y6 1qaz2wsx3edc zaq12wsxcde3 qazwsxedcrfv asdfghjkl123 zxcvbnm12345 abcd12345678 ' +
  'a1b2c3d4e5f6 abc123456789 123456789abc 1234qwerasdf qwer1234asdf qwerty123456 123456qwerty asdf1234asdf qwertyuiop[] ' +
  'qwertyuiop12 !qaz2wsx3edc 1q2w3e4r1q2w correcthorsebatterystaple thisismypassword mypassword123 passwordpassword ' +
  'letmeinplease opensesame123 whatever1234 jesuschrist1 manchesterunited liverpool1234 testtesttest testpassword ' +
  'iloveyouforever';

const STEM = new RegExp(`^(${COMMON_STEMS.split(' ').join('|')})+[^\\p{L}]*$`, 'u');
const COMMON = new Set(COMMON_PASSWORDS.split(' '));

/**
 * Throws `AppError` validation_failed (at `path`) unless a new password has 12 to 128 characters after NFKC and is
 * none of those that are tried first. No rules on kinds of characters: they make passwords worse (NIST SP 800-63B §3.1.1.2).
 */
export function assertGoodPassword(password: string, normalisedEmail: string, path = 'body.password'): void {
  const message = faultOf(password, normalisedEmail);
  if (message === null) return;
  throw new AppError('validation_failed', message, { errors: [{ path, message }] });
}

function faultOf(password: string, normalisedEmail: string): string | null {
  if (password.length > MAX_RAW_CHARS) return `must have at most ${MAX_CHARACTERS} characters`;
  const normal = password.normalize('NFKC');
  const characters = [...normal];
  if (characters.length < MIN_CHARACTERS) return `must have at least ${MIN_CHARACTERS} characters`;
  if (characters.length > MAX_CHARACTERS) return `must have at most ${MAX_CHARACTERS} characters`;
  const folded = normal.toLowerCase();
  if (isCommon(folded)) return 'is among the most common passwords';
  if (isMostlyName(folded, normalisedEmail)) return 'must be more than the e-mail address with something added';
  return null;
}

function isCommon(password: string): boolean {
  return (
    new Set(password).size < MIN_DISTINCT_CHARACTERS ||
    COMMON.has(password) ||
    STEM.test(password) ||
    repeatsItself(password) ||
    isSequence(password)
  );
}

/** One to six characters over and over, the last time perhaps cut off. */
function repeatsItself(password: string): boolean {
  return [1, 2, 3, 4, 5, 6].some((period) => password.startsWith(password.slice(period)));
}

function isSequence(password: string): boolean {
  const backwards = [...password].reverse().join('');
  return SEQUENCES.some((sequence) => sequence.repeat(2).includes(password) || sequence.repeat(2).includes(backwards));
}

function isMostlyName(password: string, normalisedEmail: string): boolean {
  const name = normalisedEmail.slice(0, normalisedEmail.lastIndexOf('@'));
  return password.includes(name) && [...password.replaceAll(name, '')].length < MIN_CHARACTERS_BESIDES_NAME;
}
