import { describe, expect, test } from 'vitest';
import {
  buildDocx,
  buildEpub,
  buildOds,
  buildOdt,
  buildPdf,
  buildPptx,
  buildXlsx,
  buildZip,
} from '../../../test/document-builders.ts';
import { codeOf, detectBytes } from '../../../test/parse-bytes.ts';
import { MEDIA_TYPES, mediaTypeOfName, SUPPORTED_MEDIA_TYPES } from './media-types.ts';

/** A compound file whose directory has one entry of this name. */
function oleFile(entry: string): Buffer {
  const file = Buffer.alloc(512 * 3);
  file.write('d0cf11e0a1b11ae1', 'hex');
  file.writeUInt16LE(9, 30);
  file.writeUInt32LE(0, 48);
  file.writeUInt32LE(1, 76);
  file.write(entry, 512, 'utf16le');
  file.writeUInt16LE(entry.length * 2 + 2, 512 + 64);
  file.writeUInt32LE(0xfffffffe, 1024);
  return file;
}

describe('detecting the media type', () => {
  test('binary formats are told apart by content, whatever the name says', async () => {
    expect(await detectBytes(buildPdf(['x']), 'a.txt')).toBe('application/pdf');
    expect(await detectBytes(await buildDocx(['x']), 'a.zip')).toMatch(/wordprocessingml\.document$/);
    expect(await detectBytes(await buildPptx([]), 'a.docx')).toMatch(/presentationml\.presentation$/);
    expect(await detectBytes(await buildXlsx([]), 'a.pdf')).toMatch(/spreadsheetml\.sheet$/);
    expect(await detectBytes(await buildOdt(['x']), 'a.epub')).toBe('application/vnd.oasis.opendocument.text');
    expect(await detectBytes(await buildOds([]))).toBe('application/vnd.oasis.opendocument.spreadsheet');
    expect(await detectBytes(await buildEpub([]))).toBe('application/epub+zip');
  });

  test.each([
    ['<!DOCTYPE html><p>x', 'notes.txt', 'text/html'],
    ['<?xml version="1.0"?>\n<!-- x -->\n<html><body>x</body></html>', null, 'text/html'],
    ['<p>just</p> <p>a fragment</p>', 'x.html', 'text/html'],
    ['{"a": [1, 2]}', 'data.txt', 'application/json'],
    ['{"a": 1}\n{"a": 2}\n', null, 'application/x-ndjson'],
    ['{"a": 1}\n', 'one.jsonl', 'application/x-ndjson'],
    ['{"cells": [{"cell_type": "code"}], "nbformat": 4}', null, 'application/x-ipynb+json'],
    ['a,b,c\n1,2,3\n4,5,6\n', null, 'text/csv'],
    ['a\tb\n1\t2\n3\t4\n', null, 'text/tab-separated-values'],
    ['a,b,c\n1,2,3\n', 'data.csv', 'text/csv'],
    ['# Title\n\n- one\n- two\n', null, 'text/markdown'],
    ['plain words', 'README.md', 'text/markdown'],
    ['<div align="center">\n\n# Logo\n\n</div>', 'README.md', 'text/markdown'],
    ['# a comment\nkey = value\n', 'settings.txt', 'text/plain'],
    ['[section]\nkey = value\n', null, 'text/plain'],
    ['Dear all,\nthis, as you know,\nis prose.', null, 'text/plain'],
    ['The header %PDF-1.7 starts a PDF.', null, 'text/plain'],
    ['{"broken": ', 'data.json', 'text/plain'],
  ])('%j named %s is %s', async (content, name, mediaType) => {
    expect(await detectBytes(content, name)).toBe(mediaType);
  });

  test.each([
    ['nothing', Buffer.alloc(0), 'empty_file'],
    ['white space', Buffer.from('\ufeff \n\t\n'), 'empty_file'],
    ['random bytes', Buffer.from([0, 1, 2, 3, 0xff, 0xfe, 0, 7, 9, 0]), 'unsupported_media_type'],
    ['a PNG picture', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), 'unsupported_media_type'],
    ['RTF', Buffer.from('{\\rtf1 hello}'), 'unsupported_media_type'],
    ['e-mail', Buffer.from('From: a@example.org\nMIME-Version: 1.0\n\nHello'), 'unsupported_media_type'],
    ['an old Office file', oleFile('WordDocument'), 'unsupported_media_type'],
    ['an encrypted Office file', oleFile('EncryptedPackage'), 'document_encrypted'],
    ['half a zip file', Buffer.from('504b0304140000000800', 'hex'), 'document_corrupt'],
  ])('%s is refused with its own code', async (_, bytes, code) => {
    expect(await codeOf(detectBytes(bytes, 'file.docx'))).toBe(code);
  });

  test('a zip file of other things is not supported', async () => {
    expect(await codeOf(detectBytes(await buildZip({ 'a.txt': 'x' })))).toBe('unsupported_media_type');
  });

  test('every extension belongs to one supported type', () => {
    const extensions = Object.values(MEDIA_TYPES).flat();
    expect(new Set(extensions).size).toBe(extensions.length);
    for (const extension of extensions) expect(SUPPORTED_MEDIA_TYPES).toContain(mediaTypeOfName(`a.${extension}`));
    expect(mediaTypeOfName('noextension')).toBeNull();
  });
});
