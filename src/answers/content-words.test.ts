import { expect, test } from 'vitest';
import { contentWords } from './content-words.ts';

test.each([
  [
    'the same English word in other forms',
    'Stopped stopping cities city mines mining boxes',
    ['stop', 'city', 'min', 'box'],
  ],
  ['no stop words', 'What is the capital of France?', ['capital', 'franc']],
  ['no accents', 'Élève élevé', ['elev']],
  ['the parts of identifiers, and numbers whole', 'ERR_404 at 3.14', ['err', '404', '3.14']],
  ['what stands behind an elision', "l'eau", ['eau']],
  ['German', 'Was ist die Hauptstadt von Frankreich?', ['hauptstadt', 'frankreich']],
  ['Thai', 'เมืองหลวงของประเทศไทยคืออะไร', ['เมือง', 'หลวง', 'ประเทศไทย']],
  ['Chinese', '中国的首都是什么？', ['中国', '首都']],
  ['Japanese', '日本の首都はどこですか', ['日本', '首都']],
])('content words: %s', (_, text, expected) => {
  expect([...contentWords(text)]).toEqual(expected);
});
