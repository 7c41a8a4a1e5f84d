import { type Command, Option } from 'commander';
import type { Location, SearchMode, SearchResult } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { noteDegradation } from '../degradation.ts';
import { addSearchOptions, filtersOf, type SearchOptions } from '../options.ts';
import type { Output } from '../output.ts';
import { printableLine } from '../printable.ts';

const SNIPPET_CHARS = 300;

export function addSearch(program: Command, cli: Cli): void {
  const command = program
    .command('search')
    .summary('find passages')
    .description('Finds passages by their words, their meaning, or both.')
    .argument('<query...>')
    .addOption(new Option('--mode <mode>').choices(['keyword', 'vector', 'hybrid']).default('hybrid'));
  addSearchOptions(command).action((words: string[], options: SearchOptions & { mode: SearchMode }) =>
    search(cli, words.join(' '), options),
  );
}

async function search(cli: Cli, query: string, options: SearchOptions & { mode: SearchMode }): Promise<void> {
  const { output } = cli;
  const filters = filtersOf(options);
  const answer = await cli.client().search(options.mode, { query, limit: options.limit, filters });
  noteDegradation(output, answer.degraded);
  output.result(answer, () =>
    answer.results.length === 0
      ? 'Nothing was found.'
      : answer.results.map((result, at) => resultText(output, result, at + 1)).join('\n\n'),
  );
}

function resultText({ colours }: Output, result: SearchResult, number: number): string {
  const place = placeOf(result.location);
  const snippet = printableLine(result.text);
  return [
    `${number}. ${colours.bold(printableLine(result.title))}${place === '' ? '' : `, ${place}`}`,
    `   ${snippet.length > SNIPPET_CHARS ? `${snippet.slice(0, SNIPPET_CHARS).toWellFormed()} …` : snippet}`,
    colours.dim(`   document ${result.document_id}, score ${result.score.toFixed(3)}`),
  ].join('\n');
}

/** Page and headings, as far as they are known. */
export function placeOf({ page_start, page_end, heading_path = [] }: Location): string {
  const pages =
    page_start === undefined
      ? []
      : [page_end === undefined || page_end === page_start ? `p. ${page_start}` : `pp. ${page_start}–${page_end}`];
  const headings = heading_path.length === 0 ? [] : [printableLine(heading_path.join(' › '))];
  return [...pages, ...headings].join(', ');
}
