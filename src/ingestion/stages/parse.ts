import { detectLanguage } from '../../base/language.ts';
import { AppError } from '../../errors/app-error.ts';
import { toCanonicalText } from '../chunking/canonical-text.ts';
import { storeParsed } from '../queries.ts';
import { redactDocument } from './redact.ts';
import { type Stage, writeFor } from './stage.ts';

/**
 * Reads the original into the canonical text. What comes out of the parser is redacted before any of it is stored, so the
 * two stages end in one write.
 */
export const parseStage: Stage = async (deps, version, context) => {
  if (version.isParsed) return;
  if (version.storageKey === null) throw new AppError('not_found', 'The original file is gone');
  context.progress('parse', 0, 1);
  const { mediaType, parsed } = await deps.storage.withLocalPath(version.storageKey, async (path) => {
    const detected = version.mediaType ?? (await deps.detectMediaType(path, version.fileName));
    const input = {
      path,
      mediaType: detected,
      fileName: version.fileName,
      charset: version.charset,
      limits: deps.limits,
    };
    return { mediaType: detected, parsed: await deps.parse(input, context.signal) };
  });
  context.progress('parse', 1, 1);
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
