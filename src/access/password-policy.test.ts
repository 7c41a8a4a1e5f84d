import { expect, test } from 'vitest';
import { assertGoodPassword } from './password-policy.ts';

test.each([
  'correct horse battery staple',
  'kX9#mP2$vL7!',
  'ความลับของฉันคืออะไร',
  '他们在花园里种了十二棵苹果树',
  'ada likes 7 green tortoises',
  `${'x'.repeat(20)}abcdefgh 12`,
  `${'ab1 '.repeat(20)}and then something else`.slice(0, 128),
])('%j is accepted', (password) => {
  expect(() => assertGoodPassword(password, 'ada@example.com')).not.toThrow();
});

test.each([
  ['11 characters', 'kX9#mP2$vL7', /at least 12/],
  ['11 characters of two code units', '👩👨👧👦🐶🐱🐭🐹🐰🦊🐻', /at least 12/],
  ['12 full-width characters of which NFKC makes the same number', 'ｐａｓｓｗｏｒｄ１２３４', /common/],
  ['129 characters', 'kX9#mP2$vL7!'.repeat(11).slice(0, 129), /at most 128/],
  ['a megabyte', 'x'.repeat(1_000_000), /at most 128/],
  ['a common password', '1q2w3e4r5t6y', /common/],
  ['a common word with digits', 'Password1234', /common/],
  ['a common word twice', 'adminadminadmin', /common/],
  ['few different characters', 'aaaabbbbcccc', /common/],
  ['a repetition', 'abcdeabcdeabc', /common/],
  ['a sequence', '234567890123', /common/],
  ['a sequence backwards', 'ponmlkjihgfedcba', /common/],
  ['a row of keys', 'qwertyuiopasd', /common/],
  ['the address with a little added', 'lovelace1815!', /more than the e-mail/],
  ['the address twice', 'LovelaceLovelace', /common|more than the e-mail/],
])('%s is refused', (_, password, message) => {
  try {
    assertGoodPassword(password, 'lovelace@example.com');
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ code: 'validation_failed', errors: [{ path: 'body.password' }] });
    expect((error as Error).message).toMatch(message);
  }
});
