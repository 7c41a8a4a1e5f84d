import { beforeEach, describe, expect, test } from 'vitest';
import { createDocument, createUser, type TestUser } from '../../test/factories.ts';
import { type FakeChatModel, fakeChatModel } from '../../test/fakes/chat-model.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import type { Database } from '../db/database.ts';
import { AppError } from '../errors/app-error.ts';
import { type AnswerDependencies, type AnswerEvent, answerQuestion, streamAnswer } from './answer-question.ts';

const WHALE = 'The blue whale weighs up to 150 tonnes. It eats krill.';
const SHARK = 'The whale shark is a fish and not a whale. It weighs up to 19 tonnes.';
const QUESTION = 'How much does the blue whale weigh?';

let db: Database;
let ada: TestUser;
let degradedStages: string[];
let dropped: number[];

beforeEach(async () => {
  const created = await createTestDatabase();
  db = created.db;
  ada = await createUser(db);
  degradedStages = [];
  dropped = [];
  await createDocument(db, { ownerId: ada.userId, title: 'Whales', source: 'https://example.com/w', chunks: [WHALE] });
  await createDocument(db, { ownerId: ada.userId, title: 'Sharks', chunks: [SHARK] });
  return created.close;
});

function dependencies(chatModel: FakeChatModel | null): AnswerDependencies {
  return {
    db,
    embeddingModel: null,
    chatModel,
    onDegraded: (stage) => degradedStages.push(stage),
    onDroppedCitations: (count) => dropped.push(count),
  };
}

function request(query = QUESTION, signal = new AbortController().signal) {
  return { subject: ada.subject, query, limit: 5, filters: {}, instruction: null, signal };
}

function ask(chatModel: FakeChatModel | null, query?: string) {
  return answerQuestion(dependencies(chatModel), request(query));
}

/** What came before the stream ended, and the error it ended with. */
async function streamed(chatModel: FakeChatModel | null, query?: string) {
  const events: AnswerEvent[] = [];
  try {
    for await (const event of streamAnswer(dependencies(chatModel), request(query))) events.push(event);
  } catch (error) {
    return { events, error };
  }
  return { events, error: null };
}

function deltas(events: readonly AnswerEvent[]): string {
  return events.flatMap((event) => (event.kind === 'delta' ? [event.text] : [])).join('');
}

describe('without a model', () => {
  test('the best sentences are quoted, with the passages they are from', async () => {
    const answer = await ask(null);

    expect(answer).toMatchObject({ mode: 'extractive', degraded: [], usage: null });
    expect(answer.answer).toContain('The blue whale weighs up to 150 tonnes.');
    expect(answer.citations[0]).toMatchObject({
      number: 1,
      quote: 'The blue whale weighs up to 150 tonnes.',
      result: { title: 'Whales' },
    });
    for (const { number, quote, result } of answer.citations) {
      expect(result).toBe(answer.results[number - 1]);
      expect(result.text).toContain(quote);
    }
  });

  test('a question about what nobody wrote about has no answer', async () => {
    expect(await ask(null, 'xylophone')).toMatchObject({ answer: null, citations: [], results: [] });
  });

  test('what the caller may not see does not answer', async () => {
    const eve = await createUser(db);
    await createDocument(db, { ownerId: eve.userId, chunks: ['The secret zebra weighs nothing.'] });

    expect(await ask(null, 'secret zebra')).toMatchObject({ answer: null, results: [] });
  });
});

describe('a model', () => {
  test('gets the question and the passages, and its supported citations are shown', async () => {
    const model = fakeChatModel(['The blue whale weighs up to 150 tonnes [1].']);

    const answer = await ask(model);

    expect(answer).toMatchObject({
      answer: 'The blue whale weighs up to 150 tonnes [1].',
      mode: 'llm',
      degraded: [],
      usage: { inputTokens: 11, outputTokens: 7 },
      citations: [{ number: 1, quote: 'The blue whale weighs up to 150 tonnes.', result: { title: 'Whales' } }],
    });
    expect(model.requests[0]!.prompt).toContain(QUESTION);
    expect(model.requests[0]!.prompt).toContain(WHALE);
    expect(model.requests[0]!.prompt).toContain(SHARK);
    expect(dropped).toEqual([]);
  });

  test('loses the citations that nothing supports, and they are counted', async () => {
    const answer = await ask(fakeChatModel(['The blue whale weighs 150 tonnes [1][9]. Bananas are yellow [2].']));

    expect(answer.answer).toBe('The blue whale weighs 150 tonnes [1]. Bananas are yellow.');
    expect(answer.citations.map(({ number }) => number)).toEqual([1]);
    expect(dropped).toEqual([2]);
  });

  test('may show no address but those of the sources', async () => {
    const answer = await ask(fakeChatModel(['See https://example.com/w and ![x](https://evil.example/p.png) [1].']));

    expect(answer.answer).toContain('https://example.com/w');
    expect(answer.answer).not.toContain('evil.example');
  });

  test('is sent no more text than it takes, and at least the first passage', async () => {
    const model = fakeChatModel(['It weighs 150 tonnes [1].'], { maxPromptChars: 20 });

    await ask(model);

    expect(model.requests[0]!.prompt).toContain(WHALE.slice(0, 20));
    expect(model.requests[0]!.prompt).not.toContain(WHALE.slice(0, 25));
    expect(model.requests[0]!.prompt).not.toContain('Sharks');
  });

  test('is not asked where nothing was found', async () => {
    const model = fakeChatModel(['I know it anyway.']);

    expect(await ask(model, 'xylophone')).toMatchObject({ answer: null, mode: 'extractive' });
    expect(model.requests).toEqual([]);
  });

  test('that says nothing gives no answer', async () => {
    expect(await ask(fakeChatModel(['  ']))).toMatchObject({ answer: null, mode: 'llm', citations: [] });
  });

  test('that fails is replaced by quoted sentences', async () => {
    const answer = await ask(fakeChatModel([new AppError('provider_unavailable')]));

    expect(answer).toMatchObject({ mode: 'extractive', degraded: ['chat_unavailable'] });
    expect(answer.answer).toContain('150 tonnes');
    expect(degradedStages).toEqual(['chat']);
  });

  test('with a mistake of ours in it is not taken for one that fails', async () => {
    await expect(ask(fakeChatModel([new TypeError('a bug')]))).rejects.toThrow('a bug');
  });

  test('is not replaced for who has gone', async () => {
    const gone = new AbortController();
    const model = fakeChatModel(['x']);
    model.generate = async () => {
      gone.abort();
      throw new AppError('provider_unavailable');
    };

    const asked = answerQuestion(dependencies(model), request(QUESTION, gone.signal));

    await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
    expect(degradedStages).toEqual([]);
  });
});

describe('a streamed answer', () => {
  test('begins with the results, comes in verified pieces, and ends with the whole', async () => {
    const model = fakeChatModel(['The blue whale weighs ', 'up to 150 tonnes [', '1]. Bananas', ' are yellow [2].']);

    const { events, error } = await streamed(model);

    expect(error).toBeNull();
    expect(events[0]).toMatchObject({ kind: 'results', degraded: [] });
    const last = events.at(-1)!;
    expect(last).toMatchObject({
      kind: 'answer',
      answer: {
        mode: 'llm',
        answer: 'The blue whale weighs up to 150 tonnes [1]. Bananas are yellow.',
        citations: [{ number: 1 }],
      },
    });
    expect(deltas(events).trim()).toBe(last.kind === 'answer' ? last.answer.answer : null);
    expect(deltas(events)).not.toContain('[2]');
    expect(dropped).toEqual([1]);
  });

  test('is quoted in one piece where there is no model', async () => {
    const { events } = await streamed(null);

    expect(events.map((event) => event.kind)).toEqual(['results', 'delta', 'answer']);
    expect(events[2]).toMatchObject({ answer: { mode: 'extractive' } });
  });

  test('has no piece where nothing was found', async () => {
    const { events } = await streamed(null, 'xylophone');

    expect(events).toMatchObject([
      { kind: 'results', results: [] },
      { kind: 'answer', answer: { answer: null } },
    ]);
  });

  test.each([
    ['before its first piece', []],
    ['before a piece was verified', ['The blue whale wei']],
  ])('is quoted where the model fails %s', async (_, pieces) => {
    const { events, error } = await streamed(fakeChatModel([...pieces, new AppError('provider_unavailable')]));

    expect(error).toBeNull();
    expect(events.at(-1)).toMatchObject({
      kind: 'answer',
      answer: { mode: 'extractive', degraded: ['chat_unavailable'] },
    });
    expect(deltas(events)).toContain('150 tonnes');
    expect(deltas(events)).not.toContain('wei ');
  });

  test('ends with the error of a model that fails after a piece was sent', async () => {
    const pieces = [
      'The blue whale weighs up to 150 tonnes [1]. ',
      'It eats krill [1]. ',
      new AppError('provider_unavailable'),
    ];

    const { events, error } = await streamed(fakeChatModel(pieces));

    expect(error).toMatchObject({ code: 'provider_unavailable' });
    expect(deltas(events)).toContain('150 tonnes [1].');
    expect(events.some((event) => event.kind === 'answer')).toBe(false);
  });
});
