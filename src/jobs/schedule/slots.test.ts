import { describe, expect, test } from 'vitest';
import { readCron } from './slots.ts';

function slotsOf(cron: string, timeZone: string, from: string, until: string): string[] {
  const { next, between } = readCron(cron, timeZone);
  return between(next(Date.parse(from) - 1), Date.parse(until), 1_000).map((ms) =>
    new Date(ms).toISOString().replace(':00.000Z', ''),
  );
}

describe('22: a daily schedule', () => {
  test.each([
    // 02:00 to 03:00 is left out on 29 March 2026 in Berlin, and on 8 March in New York.
    ['Europe/Berlin', '2026-03-28', ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30']],
    ['America/New_York', '2026-03-07', ['2026-03-07T07:30', '2026-03-08T07:00', '2026-03-09T06:30']],
  ])('at a time that the spring leaves out runs once, right after the gap, in %s', (zone, from, slots) => {
    expect(slotsOf('30 2 * * *', zone, `${from}T00:00:00Z`, slots.at(-1)!.concat('Z'))).toEqual(slots);
  });

  test.each([
    // 02:00 to 03:00 comes twice on 25 October 2026 in Berlin, and 01:00 to 02:00 on 1 November in New York.
    ['Europe/Berlin', '30 2 * * *', '2026-10-24', ['2026-10-24T00:30', '2026-10-25T00:30', '2026-10-26T01:30']],
    ['America/New_York', '30 1 * * *', '2026-10-31', ['2026-10-31T05:30', '2026-11-01T05:30', '2026-11-02T06:30']],
  ])('at a time that the autumn gives twice runs once, the first time, in %s', (zone, cron, from, slots) => {
    expect(slotsOf(cron, zone, `${from}T00:00:00Z`, slots.at(-1)!.concat('Z'))).toEqual(slots);
  });

  test('with several times runs as often on the days of the change as on any other', () => {
    expect(slotsOf('30 2,14 * * *', 'Europe/Berlin', '2026-03-28T23:00:00Z', '2026-03-29T21:59:00Z')).toEqual([
      '2026-03-29T01:00',
      '2026-03-29T12:30',
    ]);
    expect(slotsOf('30 2,14 * * *', 'Europe/Berlin', '2026-10-24T22:00:00Z', '2026-10-25T22:59:00Z')).toEqual([
      '2026-10-25T00:30',
      '2026-10-25T13:30',
    ]);
  });

  test('whose time falls together with another after the gap has that slot once', () => {
    const slots = slotsOf('0 2,3 * * *', 'Europe/Berlin', '2026-03-28T23:00:00Z', '2026-03-29T21:59:00Z');
    expect(slots).toEqual(['2026-03-29T01:00']);
  });
});

describe('a schedule that repeats', () => {
  test.each([
    ['Europe/Berlin', '2026-03-28T20:00:00Z'],
    ['Europe/Berlin', '2026-10-24T20:00:00Z'],
    ['America/New_York', '2026-03-08T03:00:00Z'],
    ['America/New_York', '2026-11-01T01:00:00Z'],
  ])('neither skips nor doubles an instant when the clocks change in %s after %s', (zone, from) => {
    const until = new Date(Date.parse(from) + 12 * 3_600_000).toISOString();
    for (const [cron, perHour] of [
      ['*/10 * * * *', 6],
      ['15 * * * *', 1],
    ] as const) {
      const slots = slotsOf(cron, zone, from, until).map((slot) => Date.parse(`${slot}Z`));
      const gaps = new Set(slots.slice(1).map((slot, i) => slot - slots[i]!));
      expect([...gaps], cron).toEqual([3_600_000 / perHour]);
    }
  });
});

describe('the slots of a long time', () => {
  test.each([
    ['*/7 * * * *', 'Europe/Berlin', '2026-03-28T20:00:00Z'],
    ['*/7 * * * *', 'America/New_York', '2026-11-01T01:00:00Z'],
    ['30 1-4 * * *', 'Europe/Berlin', '2026-10-22T00:00:00Z'],
    ['30 1-4 * * *', 'America/New_York', '2026-03-05T00:00:00Z'],
  ])('are the latest ones of %s in %s, the same as found one by one', (cron, zone, from) => {
    const slots = readCron(cron, zone);
    const first = slots.next(Date.parse(from));
    const until = first + 4 * 86_400_000;
    const all = slots.between(first, until, 100_000);
    expect(all.length).toBeGreaterThan(12);
    for (const most of [1, 3, 12]) expect(slots.between(first, until, most)).toEqual(all.slice(-most));
  });

  test('of a year of seconds are found in a moment', () => {
    const slots = readCron('* * * * * *', 'UTC');
    const from = Date.parse('2026-01-01T00:00:00Z');
    const until = from + 365 * 86_400_000;
    expect(slots.between(from, until, 3)).toEqual([until - 2_000, until - 1_000, until]);
  });
});

describe('an expression', () => {
  test.each([
    ['61 * * * *', 'UTC', 'Invalid value for minute: 61'],
    ['* * * *', 'UTC', 'it needs five fields'],
    ['* * * * * * *', 'UTC', 'it needs five fields'],
    ['2026-01-01T00:00:00', 'UTC', 'it needs five fields'],
    ['', 'UTC', 'it needs five fields'],
    ['0 0 30 2 *', 'UTC', 'it never comes due'],
    ['0 0 * * *', 'Mars/Olympus', 'the time zone is unknown'],
    ['@reboot', 'UTC', '@reboot is not supported'],
  ])('"%s" in %s is refused with a sentence that says why', (cron, zone, reason) => {
    const read = () => readCron(cron, zone).next(0);
    expect(read).toThrow(expect.objectContaining({ code: 'validation_failed' }));
    expect(read).toThrow(`The schedule "${cron}" in ${zone} is not valid: ${reason}`);
  });

  test.each([
    ['@daily', '1970-01-02T00:00:00.000Z'],
    ['*/15 * * * * *', '1970-01-01T00:00:15.000Z'],
    ['0 6 * * MON-FRI', '1970-01-01T06:00:00.000Z'],
  ])('"%s" is understood', (cron, first) => {
    expect(new Date(readCron(cron, 'UTC').next(0)).toISOString()).toBe(first);
  });
});
