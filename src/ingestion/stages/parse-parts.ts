import { AppError } from '../../errors/app-error.ts';
import { type JobContext, reportToParent, WaitForChildren } from '../../jobs/index.ts';
import type { PageRange, ParsedDocument, ParseInput } from '../parsers/parsed-document.ts';
import {
  addTimeSpent,
  deleteParts,
  insertParts,
  type Part,
  pagesRead,
  requirePartsWithin,
  selectPartContent,
  selectParts,
  storePart,
  type VersionState,
} from '../queries.ts';
import { jobLimit } from '../rules.ts';
import { withParseInput } from './parse-input.ts';
import { type ParseRun, type PipelineDependencies, writeFor } from './stage.ts';

/** Type of the jobs that read some pages of a long PDF. */
export const PARSE_PAGES = 'parse_pages';

/**
 * What one child job reads: half a second to three seconds of work at the 2 to 12 ms that a page took (32 PDFs, November
 * 2026), against half a second for starting a process and opening the file; and little enough for a kill to cost.
 */
const PAGES_PER_PART = 250;

/** Longer PDFs are shared among child jobs. Two parts would hardly be read sooner than the whole by one process. */
export const MAX_PAGES_AT_ONCE = 2 * PAGES_PER_PART;

/** Stored with each part. Raise it when the form of the parts changes: what another reader left is read again. */
const PART_READER = 'pdf-lines-1';

/** Compressed, of all parts of a version. A character of text takes some ten bytes of lines, and compressed less than one. */
const PART_BYTES_PER_CHAR = 8;
const PART_BYTES_FLOOR = 16 * 1024 * 1024;

export function rangesOf(pageCount: number): PageRange[] {
  return Array.from({ length: Math.ceil(pageCount / PAGES_PER_PART) }, (_, index) => ({
    first: index * PAGES_PER_PART + 1,
    last: Math.min(pageCount, (index + 1) * PAGES_PER_PART),
  }));
}

/**
 * The parsed file. A long PDF is read by children of the job, beside one another on all workers; what they leave undone, the
 * job does itself. Throws `WaitForChildren` while they are at it, and what the parser throws: of the whole if it is short,
 * else of whichever part or of the assembly.
 */
export async function readDocument(
  deps: PipelineDependencies,
  version: VersionState,
  input: ParseInput,
  context: JobContext,
): Promise<ParsedDocument> {
  const parts = await selectParts(deps.db, version.versionId, PART_READER);
  if (parts.length === 0) {
    context.progress('parse', 0, 1);
    const parsed = await deps.parse(input, context.signal);
    if ('blocks' in parsed) return parsed;
    context.progress('parse', 0, parsed.pageCount);
    await shareAmongChildren(deps, version, rangesOf(parsed.pageCount), context);
    throw new WaitForChildren();
  }
  const children = (await context.children()).filter(({ jobType }) => jobType === PARSE_PAGES);
  if (children.some(({ finishedAt }) => finishedAt === null)) throw new WaitForChildren();
  return finishAlone(deps, version, input, parts, context);
}

async function finishAlone(
  deps: PipelineDependencies,
  version: VersionState,
  input: ParseInput,
  parts: readonly Part[],
  context: JobContext,
): Promise<ParsedDocument> {
  try {
    for (const part of parts.filter(({ isRead }) => !isRead)) await readAndStore(deps, version, input, part, context);
    const read = await selectParts(deps.db, version.versionId, PART_READER);
    return await deps.assemble(input, contentsOf(deps, version, read), runOf(read, context));
  } catch (error) {
    // Nothing of it is kept for a retry that somebody asks for later, not even how much time it took.
    if (error instanceof AppError && !error.retryable)
      await writeFor(version, context, [deleteParts(version.versionId)]);
    throw error;
  }
}

/** A child's share of `readDocument`. Does nothing where the pages have been read or the document is put together already. */
export async function readPages(
  deps: PipelineDependencies,
  version: VersionState,
  firstPage: number,
  context: JobContext,
): Promise<void> {
  const parts = await selectParts(deps.db, version.versionId, PART_READER);
  const mine = parts.find(({ first }) => first === firstPage);
  if (mine === undefined || mine.isRead) return;
  await withParseInput(deps, version, (input) => readAndStore(deps, version, input, mine, context));
}

async function shareAmongChildren(
  { rules }: PipelineDependencies,
  version: VersionState,
  ranges: PageRange[],
  context: JobContext,
): Promise<void> {
  const children = ranges.map(({ first }) => ({
    jobType: PARSE_PAGES,
    payload: { version_id: version.versionId, document_id: version.documentId, first_page: first },
    uniqueKey: `${PARSE_PAGES}:${version.versionId}:${first}`,
    limit: jobLimit(rules, context.subject.userId),
  }));
  await context.spawn(children, [insertParts(version.versionId, ranges)]);
}

async function readAndStore(
  deps: PipelineDependencies,
  version: VersionState,
  input: ParseInput,
  part: PageRange,
  context: JobContext,
): Promise<void> {
  const { versionId } = version;
  const parts = await selectParts(deps.db, versionId, PART_READER);
  const { content, tookMs } = await readTimed(deps, version, input, part, parts, context);
  const maxBytes = PART_BYTES_FLOOR + input.limits.maxTextChars * PART_BYTES_PER_CHAR;
  await writeFor(version, context, [
    storePart(versionId, part, { reader: PART_READER, content, tookMs }),
    requirePartsWithin(versionId, maxBytes),
    reportToParent(context.jobId, 'parse', pagesRead(versionId, PART_READER), parts.at(-1)?.last ?? part.last),
  ]);
}

/** The time that a file may take is one for all of its parts, or many slow ones would hold the workers for hours. */
async function readTimed(
  deps: PipelineDependencies,
  version: VersionState,
  input: ParseInput,
  part: PageRange,
  parts: readonly Part[],
  context: JobContext,
) {
  const startedAt = performance.now();
  const tookMs = () => Math.round(performance.now() - startedAt);
  try {
    const content = await deps.readPart(input, part, runOf(parts, context));
    return { content, tookMs: tookMs() };
  } catch (error) {
    if (error instanceof AppError) await writeFor(version, context, [addTimeSpent(version.versionId, part, tookMs())]);
    throw error;
  }
}

function runOf(parts: readonly Part[], { signal }: JobContext): ParseRun {
  return { signal, spentMs: parts.reduce((sum, { tookMs }) => sum + tookMs, 0) };
}

/** One at a time: together they may be larger than the memory of the job. */
async function* contentsOf(deps: PipelineDependencies, version: VersionState, parts: readonly Part[]) {
  for (const part of parts) {
    const content = await selectPartContent(deps.db, version.versionId, part);
    if (content === null) throw new AppError('not_found', 'A part of the parsed document is gone');
    yield content;
  }
}
