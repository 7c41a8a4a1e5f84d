import { describe, expect, test } from 'vitest';
import { describeResponse } from './response-name.ts';

const url = new URL('https://example.org/files/annual%20report.pdf?page=2');

function fileName(contentDisposition: string): string | null {
  return describeResponse(new URL('https://example.org/'), null, contentDisposition).fileName;
}

test('the type and charset are lower case and without other parameters', () => {
  const name = describeResponse(url, 'Text/HTML; boundary=x; charset="UTF-8"', null);
  expect(name).toEqual({ mediaType: 'text/html', charset: 'utf-8', fileName: 'annual report.pdf' });
});

test('a type that is none counts as missing', () => {
  expect(describeResponse(url, 'nonsense', null).mediaType).toBeNull();
  expect(describeResponse(url, null, null)).toMatchObject({ mediaType: null, charset: null });
});

test('the name of the header wins over the one of the path', () => {
  expect(describeResponse(url, null, 'attachment; filename="a.txt"').fileName).toBe('a.txt');
});

describe('the file name of a header', () => {
  test.each([
    ['attachment; filename=plain.txt', 'plain.txt'],
    ['attachment; filename="with \\"quotes\\".txt"', 'with "quotes".txt'],
    ["attachment; filename=old.txt; filename*=UTF-8''%E0%B8%81.txt", 'ก.txt'],
    ['attachment; filename="../../etc/passwd"', 'passwd'],
    ['attachment; filename="..\\\\..\\\\boot.ini"', 'boot.ini'],
    ['attachment; filename="a\u0000b\u202e.txt"', 'ab.txt'],
  ])('%s is %s', (header, expected) => {
    expect(fileName(header)).toBe(expected);
  });

  test.each(['attachment', 'attachment; filename=".."', 'attachment; filename=""', "attachment; filename*=UTF-8''%ZZ"])(
    '%s is none',
    (header) => {
      expect(fileName(header)).toBeNull();
    },
  );

  test('keeps the end of a name that is too long, where the extension is', () => {
    const name = fileName(`attachment; filename="${'x'.repeat(400)}.pdf"`);
    expect(name).toHaveLength(255);
    expect(name).toMatch(/\.pdf$/);
  });
});
