import type { Redactor } from '../../redaction/index.ts';

/** What is said about content beside the content: of the version, or of the document where the version says nothing. */
export interface DescriptiveFields {
  title: string | null;
  fileName: string | null;
  tags: string[] | null;
  metadata: Record<string, unknown> | null;
}

export function redactFields(fields: DescriptiveFields, redactor: Redactor): DescriptiveFields {
  return {
    title: redactor.json(fields.title),
    fileName: fields.fileName === null ? null : redactFileName(fields.fileName, redactor),
    tags: redactor.json(fields.tags),
    metadata: redactor.json(fields.metadata),
  };
}

/** The ending stays: it tells formats apart, and would pass for the end of an address. */
export function redactFileName(name: string, redactor: Redactor): string {
  const ending = /\.[A-Za-z0-9]{1,8}$/.exec(name)?.[0] ?? '';
  return redactor.text(name.slice(0, name.length - ending.length)) + ending;
}
