import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { detectLanguage } from '../../base/language.ts';
import type { Statement } from '../../db/database.ts';
import { AppError } from '../../errors/app-error.ts';
import {
  createRedactor,
  PII_KINDS,
  type PiiCounts,
  type PiiPolicy,
  type Redactor,
  strictestPolicy,
} from '../../redaction/index.ts';
import { toCanonicalText } from '../chunking/canonical-text.ts';
import { letGoOfOriginal, storeParsed, type VersionState } from '../queries.ts';
import { redactDocument } from '../redaction/redact-document.ts';
import { redactFields } from '../redaction/redact-fields.ts';
import { withParseInput } from './parse-input.ts';
import { readDocument } from './parse-parts.ts';
import { type Stage, writeFor } from './stage.ts';

/**
 * Reads the original into the canonical text. What comes out of the parser is redacted before any of it is stored, so the
 * two stages end in one write.
 */
export const parseStage: Stage = async (deps, version, context) => {
  if (version.isParsed) return;
  const { mediaType, parsed, bytes } = await withParseInput(deps, version, async (input) => ({
    mediaType: input.mediaType,
    parsed: await readDocument(deps, version, input, context),
    bytes: deps.metrics === undefined ? 0 : (await stat(input.path)).size,
  }));
  deps.metrics?.count('anyrag_ingestion_bytes_total', {}, bytes);
  const pages = parsed.pageCount ?? 1;
  context.progress('parse', pages, pages);
  context.progress('redact', 0, 1);
  const policy = policyFor(deps.rules.piiPolicy, version);
  const redactor = createRedactor(policy);
  const redacted = redactDocument(parsed, redactor);
  const text = toCanonicalText(redacted);
  if (text.text.trim() === '') throw new AppError('no_text');
  const title = titleOf(redacted.title);
  const masked = policy === 'mask' ? [maskedFields(version, text.text, title, redactor)] : [];
  const piiCounts = addCounts(version.piiCounts, redactor.counts);
  await writeFor(version, context, [
    ...storeParsed(version.versionId, {
      text,
      mediaType,
      title,
      language: await detectLanguage(text.text),
      pageCount: redacted.pageCount,
      warnings: [...redacted.warnings, ...warningsOf(policy, piiCounts)],
      piiPolicy: policy,
      piiCounts,
    }),
    ...masked,
  ]);
  context.log.info({ event: 'ingestion.redacted', policy, counts: piiCounts }, 'personal data was looked for');
  context.progress('redact', 1, 1);
};

/** As strict as when the content was accepted, and as anybody has become since. */
export function policyFor(everywhere: PiiPolicy, version: VersionState): PiiPolicy {
  return strictestPolicy(everywhere, version.piiPolicy, version.groupPolicy);
}

/** Lets go of the original and masks what is said about it: of the version, or of the document from before it was masked. */
function maskedFields(version: VersionState, text: string, title: string | null, redactor: Redactor): Statement {
  const own = redactFields(version, redactor);
  const inherited = redactFields(
    {
      title: version.title === null && title === null ? version.documentTitle : null,
      fileName: null,
      tags: version.tags === null ? version.documentTags : null,
      metadata: version.metadata === null ? version.documentMetadata : null,
    },
    redactor,
  );
  return letGoOfOriginal(version.versionId, {
    textBytes: Buffer.byteLength(text),
    title: own.title ?? ifChanged(inherited.title, version.documentTitle),
    fileName: own.fileName,
    url: version.url === null ? null : redactor.text(version.url),
    tags: own.tags ?? ifChanged(inherited.tags, version.documentTags),
    metadata: own.metadata ?? ifChanged(inherited.metadata, version.documentMetadata),
  });
}

/** Null where there is nothing to mask: then the document keeps what it has by then. */
function ifChanged<T>(redacted: T, before: T): T | null {
  return isDeepStrictEqual(redacted, before) ? null : redacted;
}

function addCounts(a: PiiCounts, b: PiiCounts): PiiCounts {
  const sum = { ...a };
  for (const kind of PII_KINDS) if (b[kind] !== undefined) sum[kind] = (sum[kind] ?? 0) + b[kind];
  return sum;
}

function warningsOf(policy: PiiPolicy, counts: PiiCounts): string[] {
  if (Object.keys(counts).length === 0) return [];
  return [policy === 'mask' ? 'personal_data_masked' : 'personal_data_found'];
}

const MAX_TITLE_CHARS = 500;

function titleOf(title: string | null): string | null {
  const trimmed = title?.replace(/\s+/g, ' ').trim() ?? '';
  return trimmed === '' ? null : trimmed.slice(0, MAX_TITLE_CHARS).toWellFormed();
}
