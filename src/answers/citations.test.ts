import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CitationStream, verifyCitations } from './citations.ts';
import type { Passage } from './passage.ts';

const PASSAGES: Passage[] = [
  'The warranty on batteries is six months. It starts on the day of purchase.',
  'Dr. Meier said: “The shop in Berlin\nopens at nine o’clock on weekdays.” It closes at six.',
  'กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย',
  '北京是中国的首都。上海很大。',
].map((text, index) => ({ number: index + 1, chunkId: `chunk-${index + 1}`, text, score: 1 }));

const verify = (text: string) => verifyCitations(text, PASSAGES);

describe('a citation that holds', () => {
  test('stays, with the sentence that supports it as its quote', () => {
    expect(verify('Batteries have a warranty of six months [1].')).toEqual({
      answer: 'Batteries have a warranty of six months [1].',
      citations: [{ number: 1, quote: 'The warranty on batteries is six months.' }],
      dropped: 0,
    });
  });

  test.each([
    ['behind the full stop', 'The warranty on batteries is six months. [1] More follows.'],
    ['right behind the full stop', 'The warranty on batteries is six months.[1] More follows.'],
    ['in the middle', 'According to [1], batteries have six months.'],
    ['in full-width brackets', 'Batteries: six months【1】.'],
    ['in the form of some models', 'Batteries: six months【1†source】.'],
    ['as a link', 'Batteries: six months [1](https://evil.example/).'],
    ['on a line of its own', 'Batteries: six months.\n[1]'],
    ['after a word without content', 'Batteries have six months. Yes. [1]'],
  ])('is found %s', (_, text) => {
    const { answer, citations, dropped } = verify(text);
    expect(citations).toEqual([{ number: 1, quote: 'The warranty on batteries is six months.' }]);
    expect(answer).toMatch(/\[1\]/);
    expect(answer).not.toMatch(/[【】†]|evil/);
    expect(dropped).toBe(0);
  });

  test.each([
    ['Thai', 'เมืองหลวงของประเทศไทยคือกรุงเทพ [3]', 3, 'กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย'],
    ['Chinese', '首都是北京[4]。', 4, '北京是中国的首都。'],
  ])('works in %s', (_, text, number, quote) => {
    expect(verify(text).citations).toEqual([{ number, quote }]);
  });

  test('keeps the number of its passage, and names a quote once', () => {
    const { answer, citations } = verify(
      'Shops close at six [2]. Batteries: six months [1]. Six months for batteries [1].',
    );
    expect(answer).toBe('Shops close at six [2]. Batteries: six months [1]. Six months for batteries [1].');
    expect(citations.map(({ number }) => number)).toEqual([2, 1]);
  });
});

describe('a citation that does not hold is taken out and counted', () => {
  test.each([
    ['of no passage', 'Batteries have six months [9].', 'Batteries have six months.', 1],
    ['that looks like a year', 'Batteries have six months [2019].', 'Batteries have six months.', 1],
    ['of a passage about something else', 'Elephants are grey [1].', 'Elephants are grey.', 1],
    ['in a list with others', 'Batteries: six months [1, 9, 3].', 'Batteries: six months [1].', 2],
    ['in a row with others', 'Batteries: six months [9][1].', 'Batteries: six months [1].', 1],
    ['in a range', 'Batteries: six months [8-9].', 'Batteries: six months.', 2],
    ['in an endless range', 'Batteries: six months [8-999999999].', 'Batteries: six months.', 2],
    ['inside another', 'Batteries: six months [[9]1].', 'Batteries: six months.', 1],
  ])('%s', (_, text, answer, dropped) => {
    expect(verify(text)).toMatchObject({ answer, dropped });
  });
});

test('an address that only appears when a marker is taken out is removed too', () => {
  expect(verify('Batteries: six months [1]h[9]ttp://evil.example')).toMatchObject({
    answer: 'Batteries: six months [1] (link removed)',
    dropped: 1,
  });
});

describe('a quotation', () => {
  test('is found whatever its white space and quotation marks, and its quote is the text of the passage', () => {
    const { citations } = verify(`They say "The shop in Berlin opens at nine o'clock on weekdays." [2]`);
    expect(citations).toEqual([{ number: 2, quote: 'The shop in Berlin\nopens at nine o’clock on weekdays' }]);
  });

  test('that is not in the passage costs the citation, however much else it shares', () => {
    expect(verify('They say "The shop in Berlin opens at ten o’clock on weekdays" [2].')).toMatchObject({
      answer: 'They say "The shop in Berlin opens at ten o’clock on weekdays".',
      citations: [],
      dropped: 1,
    });
  });

  test('of a word or two is a name and need not be verbatim', () => {
    expect(verify('The "Berlin shop" closes at six [2].').dropped).toBe(0);
  });
});

describe('a stream', () => {
  function streamed(text: string, cuts: readonly number[]) {
    const stream = new CitationStream(PASSAGES);
    const outputs: string[] = [];
    let start = 0;
    for (const cut of [...cuts.toSorted((a, b) => a - b), text.length]) {
      outputs.push(stream.push(text.slice(start, cut)));
      start = cut;
    }
    outputs.push(stream.end());
    return { outputs, answer: outputs.join(''), citations: stream.citations, dropped: stream.dropped };
  }

  test('gives out a sentence when the next begins, and never half a marker', () => {
    const stream = new CitationStream(PASSAGES);
    expect(stream.push('Batteries: six months. [')).toBe('');
    expect(stream.push('9')).toBe('');
    expect(stream.push('] Shops')).toBe('Batteries: six months. ');
    expect(stream.push(' close at six [2')).toBe('');
    expect(stream.end()).toBe('Shops close at six [2');
  });

  test('without sentence ends does not stall', () => {
    const stream = new CitationStream(PASSAGES);
    expect(stream.push('word '.repeat(200)).length).toBeGreaterThan(400);
  });

  const fragment = fc.constantFrom(
    'Batteries have six months',
    ' [1]',
    ' [9]',
    '[1, 2]',
    '【1】',
    '[',
    ']',
    '1',
    ',',
    ' ',
    '.',
    '. ',
    '。',
    '\n',
    '!',
    '[1](https://evil.example/)',
    '"The shop in Berlin opens at nine"',
    ' word'.repeat(130),
    'x'.repeat(599),
    '首都是北京',
    'เมืองหลวง',
    '<img src=x>',
    '†',
  );

  test('gives the same however the text is cut, and cites nothing but verbatim text', () => {
    const texts = fc.array(fragment, { maxLength: 14 }).map((parts) => parts.join(''));
    const withCuts = texts.chain((text) =>
      fc.tuple(fc.constant(text), fc.array(fc.nat(text.length), { maxLength: 12 })),
    );
    fc.assert(
      fc.property(withCuts, ([text, cuts]) => {
        const whole = verify(text);
        const { outputs, answer, citations, dropped } = streamed(text, cuts);
        expect({ answer: answer.trim(), citations, dropped }).toEqual(whole);
        for (const { number, quote } of citations) expect(PASSAGES[number - 1]!.text).toContain(quote);
        const cited = new Set(citations.map(({ number }) => number));
        for (const [, number] of whole.answer.matchAll(/[[【［](\d+)[\]】］]/g))
          expect(cited).toContain(Number(number));
        expect(outputs.join('')).not.toContain('evil');
      }),
      { numRuns: 1_500 },
    );
  });
});

test('an empty answer stays empty', () => {
  expect(verify('')).toEqual({ answer: '', citations: [], dropped: 0 });
});
