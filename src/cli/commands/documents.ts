import type { Command } from 'commander';
import type { Document, SourceType } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { integerIn } from '../options.ts';
import { fields, table } from '../table.ts';

interface ListOptions {
  mine?: boolean;
  group?: string;
  tag?: string;
  sourceType?: SourceType;
  title?: string;
  limit?: number;
  cursor?: string;
}

export function addDocuments(program: Command, cli: Cli): void {
  const documents = program
    .command('documents')
    .summary('list, show and delete documents')
    .description('Documents you may see.');
  documents
    .command('ls')
    .description('Documents, newest first.')
    .option('--mine', 'only your own')
    .option('--group <id>', 'only what is shared with this group')
    .option('--tag <tag>', 'only with this tag')
    .option('--source-type <type>', 'only from this kind of source: file, text, web …')
    .option('--title <text>', 'only with this in the title')
    .option('--limit <n>', 'documents to show, 1 to 100', integerIn(1, 100))
    .option('--cursor <cursor>', 'where the list before ended')
    .action((options: ListOptions) => list(cli, options));
  documents
    .command('show')
    .description('A document without its text.')
    .argument('<document-id>')
    .action((id: string) => show(cli, id));
  documents
    .command('rm')
    .description('Deletes documents of yours, and everything made of them. They do not come back.')
    .argument('<document-id...>')
    .action((ids: string[]) => remove(cli, ids));
}

async function list({ client, output }: Cli, options: ListOptions): Promise<void> {
  const { limit, cursor, tag, group, sourceType, title, mine } = options;
  const page = await client().documents({
    limit,
    cursor,
    tag,
    group_id: group,
    source_type: sourceType,
    q: title,
    owner: mine === true ? 'me' : undefined,
  });
  const rows = page.items.map((document) => [
    document.document_id,
    document.status,
    document.chunks,
    document.updated_at,
    document.title,
  ]);
  output.result(page, () => table(['DOCUMENT', 'STATUS', 'CHUNKS', 'UPDATED', 'TITLE'], rows));
  if (page.next_cursor !== null && !output.isJson) output.note(`There are more: --cursor ${page.next_cursor}`);
}

async function show({ client, output }: Cli, id: string): Promise<void> {
  const document = await client().document(id);
  output.result(document, () => documentText(document));
}

async function remove({ client, output }: Cli, ids: readonly string[]): Promise<void> {
  const api = client();
  for (const id of ids) {
    await api.deleteDocument(id);
    if (!output.isJson) output.write(`Deleted ${id}.\n`);
  }
  if (output.isJson) output.result({ deleted: ids }, () => '');
}

function documentText(document: Document): string {
  return fields({
    document: document.document_id,
    title: document.title,
    source: document.source,
    'source type': document.source_type,
    'media type': document.media_type,
    bytes: document.bytes,
    status: document.status,
    version: document.version,
    chunks: document.chunks,
    language: document.language,
    tags: document.tags.length === 0 ? null : document.tags.join(', '),
    metadata: Object.keys(document.metadata).length === 0 ? null : JSON.stringify(document.metadata),
    owner: document.owner_id ?? 'public',
    permissions: document.permissions.join(', '),
    created: document.created_at,
    updated: document.updated_at,
    expires: document.expires_at,
  });
}
