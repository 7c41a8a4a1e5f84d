import { detectLanguage } from '../../base/language.ts';
import { AppError } from '../../errors/app-error.ts';
import { toCanonicalText } from '../chunking/canonical-text.ts';
import { storeParsed } from '../queries.ts';
import { withParseInput } from './parse-input.ts';
import { readDocument } from './parse-parts.ts';
import { redactDocument } from './redact.ts';
import { type Stage, writeFor } from './stage.ts';

/**
 * Reads the original into the canonical text. What comes out of the parser is redacted before any of it is stored, so the
 * two stages end in one write.
 */
export const parseStage: Stage = async (deps, version, context) => {
  if (version.isParsed) return;
  const { mediaType, parsed } = await withParseInput(deps, version, async (input) => ({
    mediaType: input.mediaType,
    parsed: await readDocument(deps, version, input, context),
  }));
  const pages = parsed.pageCount ?? 1;
  context.progress('parse', pages, pages);
  context.progress('redact', 0, 1);
  const redacted = redactDocument(parsed);
  const text = toCanonicalText(redacted);
  if (text.text.trim() === '') throw new AppError('no_text');
  await writeFor(
    version,
    context,
    storeParsed(version.versionId, {
      text,
      mediaType,
      title: titleOf(redacted.title),
      language: await detectLanguage(text.text),
      pageCount: redacted.pageCount,
      warnings: redacted.warnings,
    }),
  );
  context.progress('redact', 1, 1);
};

const MAX_TITLE_CHARS = 500;

function titleOf(title: string | null): string | null {
  const trimmed = title?.replace(/\s+/g, ' ').trim() ?? '';
  return trimmed === '' ? null : trimmed.slice(0, MAX_TITLE_CHARS).toWellFormed();
}
