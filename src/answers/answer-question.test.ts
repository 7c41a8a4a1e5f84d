import { beforeEach, describe, expect, test } from 'vitest';
import { createDocument, createUser, shareDocument, type TestUser } from '../../test/factories.ts';
import { type FakeChatModel, fakeChatModel } from '../../test/fakes/chat-model.ts';
import { createTestDatabase } from '../../test/harness/database.ts';
import type { Database } from '../db/database.ts';
import { sql } from '../db/sql.ts';
import { AppError } from '../errors/app-error.ts';
import { type AnswerDependencies, type AnswerEvent, answerQuestion, streamAnswer } from './answer-question.ts';
import { RightsWatch } from './rights-watch.ts';

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

describe('what is revoked while an answer is made', () => {
  const SECRET = 'The secret narwhal weighs up to 1.6 tonnes.';
  const NARWHAL = 'How much does the blue whale or the secret narwhal weigh?';
  let shareId: string;

  beforeEach(async () => {
    const eve = await createUser(db);
    const { documentId } = await createDocument(db, { ownerId: eve.userId, title: 'Narwhals', chunks: [SECRET] });
    shareId = await shareDocument(db, documentId, { userId: ada.userId });
  });

  const revoke = () => db.batch([sql`DELETE FROM resource_shares WHERE share_id = ${shareId}`]);
  /** Says what the passages say, and lets `meanwhile` happen before the model gets them or before it is done. */
  function modelWith(meanwhile: { beforeSending?: () => Promise<unknown>; beforeAnswering?: () => Promise<unknown> }) {
    const model = fakeChatModel([]);
    model.generate = async (request) => {
      await meanwhile.beforeSending?.();
      await request.beforeSending?.();
      model.requests.push(request);
      await meanwhile.beforeAnswering?.();
      const text = request.prompt.includes(SECRET) ? SECRET : WHALE;
      return { text: `${text} [1][2][3]`, usage: null };
    };
    return model;
  }

  test('is not sent to the model', async () => {
    const model = modelWith({ beforeSending: revoke });

    const answer = await ask(model, NARWHAL);

    expect(model.requests).toHaveLength(1);
    expect(model.requests[0]!.prompt).not.toContain('narwhal weighs');
    expect(JSON.stringify(answer)).not.toContain('narwhal weighs');
    expect(answer.mode).toBe('llm');
  });

  test('is not in the answer, which the model makes anew of what is left', async () => {
    const model = modelWith({ beforeAnswering: revoke });

    const answer = await ask(model, NARWHAL);

    expect(model.requests.map(({ prompt }) => prompt.includes(SECRET))).toEqual([true, false]);
    expect(JSON.stringify(answer)).not.toContain('narwhal weighs');
    expect(answer.answer).toContain('150 tonnes');
  });

  test('again and again is left to sentences that can be seen at the end', async () => {
    const eve = await createUser(db);
    const others = await Promise.all(
      [1, 2].map(async (n) => {
        const { documentId } = await createDocument(db, { ownerId: eve.userId, chunks: [`Whale ${n} weighs 9 kg.`] });
        return shareDocument(db, documentId, { userId: ada.userId });
      }),
    );
    const revokeNext = async () => db.batch([sql`DELETE FROM resource_shares WHERE share_id = ${others.pop()!}`]);
    const model = modelWith({ beforeAnswering: revokeNext });

    const answer = await ask(model, NARWHAL);

    expect(model.requests).toHaveLength(2);
    expect(answer.mode).toBe('extractive');
    expect(JSON.stringify(answer)).not.toContain('9 kg');
  });

  test('ends the stream before its next piece', async () => {
    const model = fakeChatModel([]);
    model.stream = async function* (request) {
      await request.beforeSending?.();
      yield `${SECRET} [1]. `;
      yield 'It eats krill [1]. ';
      await revoke();
      yield 'It weighs even more [1]. ';
      yield 'And more [1]. ';
    };

    const { events, error } = await streamed(model, NARWHAL);

    expect(error).toMatchObject({ code: 'rights_revoked' });
    expect(deltas(events)).not.toContain('even more');
    expect(events.some((event) => event.kind === 'answer')).toBe(false);
  });

  test('ends the stream before its citations', async () => {
    const model = fakeChatModel([]);
    model.stream = async function* () {
      yield `${SECRET} [1]`;
      await revoke();
    };

    const { events, error } = await streamed(model, NARWHAL);

    expect(error).toMatchObject({ code: 'rights_revoked' });
    expect(deltas(events)).toBe('');
  });

  test('is noticed where the database cannot say that it has changed', async () => {
    const blind = new Proxy(db, {
      get: (target, name) => (name === 'dataVersion' ? async () => null : Reflect.get(target, name).bind?.(target)),
    });
    const watch = new RightsWatch(blind, ada.subject, [(await documentIdOf(shareId))!]);
    await watch.check();
    await watch.checkIfChanged();
    await revoke();
    const outcome = () =>
      watch.checkIfChanged().then(
        () => 'seen',
        ({ code }) => code,
      );
    await expect.poll(outcome, { timeout: 10_000 }).toBe('rights_revoked');
  });

  async function documentIdOf(id: string) {
    const rows = await db.query<{ id: string }>(
      sql`SELECT resource_id AS id FROM resource_shares WHERE share_id = ${id}`,
    );
    return rows[0]?.id;
  }
});
