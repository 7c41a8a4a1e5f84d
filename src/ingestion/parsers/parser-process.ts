import { readFile } from 'node:fs/promises';
import { dieWithParent } from '../../base/parent-watch.ts';
import { type ParseTask, serveParseRequest } from './child-protocol.ts';
import type { PdfPart } from './pdf.ts';
import { loadParser } from './registry.ts';

/** Entry of the child process that parses one document, or a part of one. */
dieWithParent();

serveParseRequest(async (task) => {
  if (task.kind === 'document') return parseWhole(task);
  // Formats without pages of their own are never long.
  if (task.kind === 'document_up_to' && task.input.mediaType !== 'application/pdf') return parseWhole(task);
  const pdf = await import('./pdf.ts');
  switch (task.kind) {
    case 'document_up_to':
      return pdf.parsePdfUpTo(task.input, task.maxPages);
    case 'part':
      return pdf.readPdfPart(task.input, task.range);
    case 'assembly':
      return pdf.assemblePdf(task.input, await Promise.all(task.partPaths.map(readPart)));
  }
});

async function parseWhole({ input }: ParseTask) {
  const parse = await loadParser(input.mediaType);
  return parse(input);
}

async function readPart(path: string): Promise<PdfPart> {
  return JSON.parse(await readFile(path, 'utf8')) as PdfPart;
}
