/**
 * Every media type that can be ingested, with the file name extensions it goes by. Nothing here imports a parser: the API
 * process lists and checks media types without loading one.
 */
export const MEDIA_TYPES = {
  'application/pdf': ['pdf'],
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': ['docx', 'docm', 'dotx'],
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': ['pptx', 'pptm', 'ppsx'],
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': ['xlsx', 'xlsm', 'xltx'],
  'application/vnd.oasis.opendocument.text': ['odt'],
  'application/vnd.oasis.opendocument.spreadsheet': ['ods'],
  'application/vnd.oasis.opendocument.presentation': ['odp'],
  'application/epub+zip': ['epub'],
  'text/html': ['html', 'htm', 'xhtml'],
  'text/markdown': ['md', 'markdown', 'mdx'],
  'text/csv': ['csv'],
  'text/tab-separated-values': ['tsv', 'tab'],
  'application/json': ['json'],
  'application/x-ndjson': ['jsonl', 'ndjson'],
  'application/x-ipynb+json': ['ipynb'],
  'text/plain': ['txt', 'text', 'log'],
} as const satisfies Record<string, readonly string[]>;

export type MediaType = keyof typeof MEDIA_TYPES;

export const SUPPORTED_MEDIA_TYPES = Object.keys(MEDIA_TYPES) as readonly MediaType[];

export function isSupportedMediaType(value: string): value is MediaType {
  return Object.hasOwn(MEDIA_TYPES, value);
}

const BY_EXTENSION: ReadonlyMap<string, MediaType> = new Map(
  Object.entries(MEDIA_TYPES).flatMap(([type, extensions]) =>
    extensions.map((extension) => [extension, type as MediaType] as const),
  ),
);

/** What the name of a file suggests, or null. A hint: the content decides (see `detect.ts`). */
export function mediaTypeOfName(fileName: string | null): MediaType | null {
  const extension = /\.([a-z0-9]+)$/i.exec(fileName ?? '')?.[1];
  return extension === undefined ? null : (BY_EXTENSION.get(extension.toLowerCase()) ?? null);
}
