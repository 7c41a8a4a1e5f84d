import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { whileVisible } from './while-visible.ts';

/** Three pieces; tells whether it was closed. */
function source() {
  return Readable.from([Buffer.from('one '), Buffer.from('two '), Buffer.from('three')], { objectMode: false });
}

describe('the bytes of a file', () => {
  test('are all there while they may be seen', async () => {
    const content = whileVisible(source(), async () => true, 0);
    expect((await buffer(content)).toString()).toBe('one two three');
  });

  test('break off where they are not to be seen any more, and the file is closed', async () => {
    const file = source();
    const looks = [true, false];
    const received: string[] = [];
    const reading = (async () => {
      for await (const piece of whileVisible(file, async () => looks.shift() ?? false, 0)) received.push(String(piece));
    })();
    await expect(reading).rejects.toMatchObject({ code: 'rights_revoked' });
    expect(received.join('')).toBe('one ');
    expect(file.destroyed).toBe(true);
  });

  test('are not held up by looks more often than told', async () => {
    let looks = 0;
    const look = async () => ++looks > 0;
    await buffer(whileVisible(source(), look, 3_600_000));
    expect(looks).toBe(0);
  });

  test('close the file when their reader goes', async () => {
    const file = source();
    const content = whileVisible(file, async () => true, 0);
    for await (const _ of content) break;
    await expect.poll(() => file.destroyed).toBe(true);
  });
});
