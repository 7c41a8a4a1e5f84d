import { expect, test } from 'vitest';
import { parseEventStream } from './event-stream.ts';

async function eventsOf(...pieces: (string | Uint8Array)[]): Promise<string[]> {
  const body = ReadableStream.from(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
  const events: string[] = [];
  for await (const { event, data } of parseEventStream(body)) events.push(`${event}: ${data}`);
  return events;
}

test.each([
  ['LF', 'event: a\ndata: 1\n\ndata: 2\n\n'],
  ['CR', 'event: a\rdata: 1\r\rdata: 2\r\r'],
  ['CRLF', 'event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n'],
])('events may end their lines in %s', async (_name, text) => {
  expect(await eventsOf(text)).toEqual(['a: 1', 'message: 2']);
});

test('an event is the same however the bytes are cut', async () => {
  const bytes = Buffer.from('event: d\r\ndata: {"text":"größe ไทย"}\r\n\r\n: ping\r\n\r\ndata:x\r\n\r\n');
  for (let at = 0; at <= bytes.length; at++) {
    expect(await eventsOf(bytes.subarray(0, at), bytes.subarray(at))).toEqual([
      'd: {"text":"größe ไทย"}',
      'message: x',
    ]);
  }
  expect(await eventsOf(...[...bytes].map((byte) => Uint8Array.of(byte)))).toHaveLength(2);
});

test('several data lines are one text, and only the first space is taken off', async () => {
  expect(await eventsOf('data: a\ndata:  b\ndata\n\n')).toEqual(['message: a\n b\n']);
});

test('comments, unknown fields, events without data and an unfinished event are left out', async () => {
  expect(await eventsOf(': hello\nid: 7\nevent: none\n\ndata: yes\n\nevent: cut\ndata: off')).toEqual(['message: yes']);
});
