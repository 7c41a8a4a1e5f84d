import type { Command } from 'commander';
import type { Answer, Citation, Question } from '../../client/index.ts';
import type { Cli } from '../cli.ts';
import { noteDegradation } from '../degradation.ts';
import { addSearchOptions, filtersOf, type SearchOptions } from '../options.ts';
import type { Output } from '../output.ts';
import { printable, printableLine } from '../printable.ts';
import { placeOf } from './search.ts';

const NO_ANSWER = 'Nothing was found that answers this.';

export function addAsk(program: Command, cli: Cli): void {
  const command = program
    .command('ask')
    .summary('get an answer with citations')
    .description('Answers from your documents, and says where each statement comes from.')
    .argument('<question...>')
    .option('--instruction <text>', 'a wish about form and tone');
  addSearchOptions(command).action((words: string[], options: SearchOptions & { instruction?: string }) =>
    ask(cli, {
      query: words.join(' '),
      limit: options.limit,
      filters: filtersOf(options),
      instruction: options.instruction,
    }),
  );
}

async function ask(cli: Cli, question: Question): Promise<void> {
  if (cli.output.isInteractive) return askWatched(cli, question);
  const answer = await cli.client().ask(question);
  noteDegradation(cli.output, answer.degraded);
  cli.output.result(answer, () => `${printable(answer.answer ?? NO_ANSWER)}${citationsText(cli.output, answer)}`);
}

/** Shows the answer as it is written. */
async function askWatched({ client, output }: Cli, question: Question): Promise<void> {
  for await (const event of client().askStreaming(question)) {
    if (event.kind === 'delta') output.write(printable(event.text));
    if (event.kind !== 'done') continue;
    if (event.answer.answer === null) output.write(NO_ANSWER);
    output.write(`${citationsText(output, event.answer)}\n`);
    noteDegradation(output, event.answer.degraded);
  }
}

function citationsText({ colours }: Output, { citations }: Pick<Answer, 'citations'>): string {
  const byNumber = Map.groupBy(citations, ({ number }) => number);
  return [...byNumber.values()]
    .map((quotes) => {
      const { number, title, location } = quotes[0] as Citation;
      const place = placeOf(location);
      const head = `[${number}] ${colours.bold(printableLine(title))}${place === '' ? '' : `, ${place}`}`;
      return `\n\n${head}${quotes.map(({ quote }) => `\n    “${printableLine(quote)}”`).join('')}`;
    })
    .join('');
}
