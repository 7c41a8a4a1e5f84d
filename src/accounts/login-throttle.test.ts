import { beforeEach, describe, expect, test } from 'vitest';
import { TEST_SECRET } from '../../test/harness/accounts.ts';
import { deriveSecrets } from '../access/index.ts';
import { createLoginThrottle, type LoginThrottle } from './login-throttle.ts';

let nowMs: number;
let throttle: LoginThrottle;
beforeEach(() => {
  nowMs = 0;
  throttle = createLoginThrottle(deriveSecrets(TEST_SECRET), () => nowMs);
});

/** Failed attempts, each as early as it is let in. */
function fail(times: number, account = 'ada', address = '192.0.2.1'): void {
  for (let i = 0; i < times; i++) {
    nowMs += waitSeconds(account, address) * 1_000;
    throttle.begin(account, address);
  }
}

/** Seconds to wait; 0 when an attempt is let in. */
function waitSeconds(account = 'ada', address = '192.0.2.1'): number {
  try {
    throttle.begin(account, address).withdrawn();
    return 0;
  } catch (error) {
    return (error as { retryAfterSeconds: number }).retryAfterSeconds;
  }
}

describe('the wait', () => {
  test('begins with the eleventh attempt, doubles, and never exceeds a quarter of an hour', () => {
    fail(10);
    const waits = [];
    for (let i = 0; i < 13; i++) {
      waits.push(waitSeconds());
      fail(1);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
  });

  test('is not prolonged by attempts during it', () => {
    fail(12);
    nowMs += 1_000;
    expect(waitSeconds()).toBe(3);
    expect(waitSeconds()).toBe(3);
  });

  test('counts attempts that have not been answered yet', () => {
    fail(10);
    expect(waitSeconds()).toBe(1);
  });

  test('is over with a success', () => {
    fail(9);
    throttle.begin('ada', '192.0.2.1').succeeded();
    fail(9);
    expect(waitSeconds()).toBe(0);
  });

  test('is forgotten after a day', () => {
    fail(30);
    nowMs += 86_400_000;
    fail(9);
    expect(waitSeconds()).toBe(0);
  });

  test('of one account or network is not that of others', () => {
    fail(20);
    expect(waitSeconds('bob')).toBe(0);
    expect(waitSeconds('ada', '198.51.100.1')).toBe(0);
    expect(waitSeconds('ada', '192.0.2.200')).toBeGreaterThan(0);
  });

  test('of a network that tries many accounts is at most a minute', () => {
    for (let i = 0; i < 50; i++) fail(1, `user-${i}`);
    expect(waitSeconds('somebody')).toBe(1);
    for (let i = 50; i < 70; i++) {
      fail(1, `user-${i}`);
    }
    expect(waitSeconds('somebody')).toBe(60);
  });

  test('of an office where everybody signs in rightly never begins', () => {
    for (let i = 0; i < 200; i++) throttle.begin(`user-${i}`, '192.0.2.1').succeeded();
    expect(waitSeconds('somebody')).toBe(0);
  });
});

test('what is remembered is bounded: the longest idle are dropped', () => {
  fail(20, 'ada', '192.0.2.1');
  for (let i = 0; i < 50_000; i++)
    fail(1, 'ada', `2001:db8:${(i >> 8).toString(16)}:${((i & 255) << 8).toString(16)}::1`);
  expect(waitSeconds('ada', '192.0.2.1')).toBe(0);
});
