import { describe, expect, test } from 'vitest';
import { linesOf } from '../../../test/attacks/lines.ts';
import { AppError } from '../../errors/app-error.ts';
import { isPublicAddress } from './address-rules.ts';
import { outboundRules } from './url-rules.ts';

const rules = outboundRules([]);

function codeOf(work: () => unknown): string | null {
  try {
    work();
    return null;
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}

const ADDRESSES = linesOf<{ url: string; why: string; expect: 'url_not_allowed' | 'allowed' }>('addresses');

test.each(ADDRESSES)('$url ($why) is judged before anything is connected: $expect', ({ url, expect: judgement }) => {
  expect(codeOf(() => rules.check(url)) ?? 'allowed').toBe(judgement);
});

test('a name is not judged by its text: its addresses are when it is connected to', () => {
  expect(rules.check('https://example.org/a?b#c').href).toBe('https://example.org/a?b');
});

test.each(['', 'example.org', '1.2.3', 'fe80::1%eth0', '127.0.0.1:80'])('%j is no public address', (text) => {
  expect(isPublicAddress(text)).toBe(false);
});

describe('a host on the list', () => {
  const opened = outboundRules(['Intranet.test', 'wiki.test:8080', '[::1]:9000', '127.0.0.1', ' ']);

  test.each([
    'http://intranet.test/',
    'https://intranet.test/',
    'http://intranet.test./',
    'http://wiki.test:8080/',
    'http://[::1]:9000/',
    'http://127.0.0.1/',
    'http://2130706433/',
  ])('opens %s', (url) => {
    expect(codeOf(() => opened.check(url))).toBeNull();
  });

  test.each([
    'http://intranet.test:8080/',
    'http://wiki.test:8081/',
    'http://[::1]/',
    'http://127.0.0.2/',
    'http://user@intranet.test/',
    'ftp://intranet.test/',
  ])('does not open %s', (url) => {
    expect(codeOf(() => opened.check(url))).toBe('url_not_allowed');
  });

  test('with a port does not lift the address check at the other ports', () => {
    expect(opened.opensHost('wiki.test', '8080')).toBe(true);
    expect(opened.opensHost('wiki.test', '80')).toBe(false);
  });
});
