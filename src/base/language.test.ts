import { expect, test } from 'vitest';
import { detectLanguage } from './language.ts';

test.each([
  ['en', 'What is the capital of France?'],
  ['de', 'Was ist die Hauptstadt von Frankreich?'],
  ['fr', 'Quelle est la capitale de l’Allemagne ?'],
  ['ru', 'Какой сегодня день недели в Москве?'],
  ['th', 'แมว'],
  ['zh', '北京'],
  ['ja', '東京は日本の首都です'],
  ['ko', '서울'],
  ['th', 'ระบบ API ของบริษัท'],
])('recognises %s: %s', async (language, text) => {
  expect(await detectLanguage(text)).toBe(language);
});

test.each([[''], ['Hello'], ['12 34 56'], ['ERR_404 QX-77 AB12'], ['AX-1200 BX-1300 CX-1400 drive unit'], ['\ud800']])(
  'says nothing about %j',
  async (text) => {
    expect(await detectLanguage(text)).toBeNull();
  },
);

test('a title page of names does not hide the language of a long text', async () => {
  const names = 'Ann Öztürk∗+, Björn Nguyễn∗, Chiara Kowalczyk#, Dmitri Ó Briain$ {ao,bn,ck,dob}@example.org\n'.repeat(
    20,
  );
  const english = 'The quick brown fox jumps over the lazy dog and runs back into the forest. '.repeat(300);
  expect(await detectLanguage(names + english)).toBe('en');
});

test('reads no more of a long text than it needs', async () => {
  const long = 'Der Hund schläft den ganzen Tag vor dem warmen Ofen. '.repeat(100_000);
  expect(await detectLanguage(long)).toBe('de');
});
