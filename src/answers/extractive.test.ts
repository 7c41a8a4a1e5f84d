import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { extractiveAnswer } from './extractive.ts';
import type { Passage } from './passage.ts';

const passagesOf = (...texts: string[]): Passage[] =>
  texts.map((text, index) => ({ number: index + 1, chunkId: `chunk-${index + 1}`, text, score: texts.length - index }));

function answerTo(query: string, ...texts: string[]): string | undefined {
  return extractiveAnswer(query, passagesOf(...texts))?.answer;
}

test('the sentence that shares most with the question is quoted with the number of its passage', () => {
  const result = extractiveAnswer(
    'How long is the warranty on batteries?',
    passagesOf(
      'Our shop sells batteries. Delivery takes two days.',
      'Devices have a warranty. The warranty on batteries is six months. Chargers are not covered.',
    ),
    { maxSentences: 1 },
  );
  expect(result).toEqual({
    answer: 'The warranty on batteries is six months. [2]',
    citations: [{ number: 2, quote: 'The warranty on batteries is six months.' }],
  });
});

describe('answers in other languages', () => {
  test.each([
    [
      'German',
      'Wie lange gilt die Garantie?',
      'Wir liefern schnell. Die Garantie gilt zwei Jahre.',
      'Die Garantie gilt zwei Jahre. [1]',
    ],
    [
      'Thai',
      'เมืองหลวงของประเทศไทยคืออะไร',
      'กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย',
      'กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย [1]',
    ],
    ['Chinese', '中国的首都是哪里？', '上海很大。北京是中国的首都。', '北京是中国的首都。 [1]'],
    ['Japanese', '日本の首都はどこですか', '大阪は大きいです。東京は日本の首都です。', '東京は日本の首都です。 [1]'],
  ])('%s', (_, query, text, expected) => {
    expect(answerTo(query, text)).toBe(expected);
  });
});

describe('no answer', () => {
  test('when no passage shares a content word', () => {
    expect(extractiveAnswer('What is the price of coal?', passagesOf('What is the use of all this?'))).toBeNull();
    expect(extractiveAnswer('สภาพอากาศวันนี้', passagesOf('北京是首都。'))).toBeNull();
  });

  test('when there are no passages or no words', () => {
    expect(extractiveAnswer('coal', [])).toBeNull();
    expect(extractiveAnswer('?!', passagesOf('Coal is black.'))).toBeNull();
  });

  test('when only a heading matches', () => {
    expect(extractiveAnswer('coal prices', passagesOf('Coal prices'))).toBeNull();
  });
});

describe('headings and questions', () => {
  test('are not answers, but lead to what stands below', () => {
    expect(answerTo('resetting a password', 'Resetting a password\n\nOpen the settings and choose Account.')).toBe(
      'Open the settings and choose Account. [1]',
    );
    expect(answerTo('How do I reset my password?', 'How do I reset my password? Open the settings.')).toBe(
      'Open the settings. [1]',
    );
  });
});

describe('several sentences', () => {
  test('are at most three, best first', () => {
    const places = ['Wales long ago', 'Silesia under Frederick', 'Kentucky by slaves', 'Japan with bare hands'];
    const answer = answerTo('coal mining', ...places.map((place) => `Coal mining started in ${place}.`));
    expect(answer!.match(/\[\d\]/g)).toEqual(['[1]', '[2]', '[3]']);
  });

  test('are not repeated when chunks overlap', () => {
    expect(answerTo('coal mining', 'Coal mining began early.', 'Coal mining began early. Sheep were kept.')).toBe(
      'Coal mining began early. [1]',
    );
  });

  test('much weaker than the best are left out', () => {
    expect(answerTo('depth of coal mining shafts', 'Coal mining shafts reach a depth of 900 m. Mining is old.')).toBe(
      'Coal mining shafts reach a depth of 900 m. [1]',
    );
  });
});

test('what reads as a citation or a link in a passage does not get into the answer, and stays in the quote', () => {
  const result = extractiveAnswer(
    'coal',
    passagesOf('Coal is black.[7] Read ![x](https://evil.example) on coal[12] at https://evil.example/.'),
  );
  expect(result!.answer).not.toMatch(/evil|\[7\]|\[12\]/);
  expect(result!.citations.some(({ quote }) => quote.includes('[12] at https://evil.example/'))).toBe(true);
});

test('for any text each number is a citation and each quote is verbatim', () => {
  const word = fc.constantFrom(
    'coal',
    'black',
    'coal.',
    '[1]',
    '[2',
    ']',
    '. ',
    '\n\n',
    '煤',
    'ถ่านหิน',
    '?',
    '[[1]2]',
    '(x)',
    'h[1]ttp://a.b',
  );
  fc.assert(
    fc.property(
      fc.array(
        fc.array(word).map((words) => words.join(' ')),
        { maxLength: 4 },
      ),
      (texts) => {
        const passages = passagesOf(...texts);
        const result = extractiveAnswer('black coal 煤 ถ่านหิน', passages);
        if (result === null) return;
        const cited = [...result.answer.matchAll(/\[(\d+)\]/g)].map((match) => Number(match[1]));
        expect(cited).toEqual(result.citations.map(({ number }) => number));
        for (const { number, quote } of result.citations) expect(passages[number - 1]!.text).toContain(quote);
        expect(result.answer).not.toContain('http');
      },
    ),
    { numRuns: 500 },
  );
});

test('of a table the row that answers is quoted, not the table', () => {
  const text = 'Engine | Power | Year\nFalcon | 90 kW | 1998\nHeron | 120 kW | 2004\nKestrel | 75 kW | 1991';
  const answer = extractiveAnswer('How much power has the Heron?', [{ number: 1, chunkId: 'c', text, score: 1 }]);
  expect(answer?.citations[0]).toEqual({ number: 1, quote: 'Heron | 120 kW | 2004' });
});

test('the answer runs on where the lines of the document end, and the quote does not', () => {
  const text =
    'The tower on the cape, which can be seen from the whole of the bay, was built by Ilse\nMorgenroth, an engineer from the next town, in the summer of 1874.';
  const answer = extractiveAnswer('Who built the tower?', [{ number: 1, chunkId: 'c', text, score: 1 }]);
  expect(answer).toEqual({
    answer: `${text.replace('\n', ' ')} [1]`,
    citations: [{ number: 1, quote: text }],
  });
});
