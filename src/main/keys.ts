import type { Command } from 'commander';
import { openSigningKeys, systemSubject } from '../access/index.ts';
import { revokeSigningKeys, rotateSigningKeys } from '../accounts/index.ts';
import type { Output } from '../cli/output.ts';
import { runProgram } from '../cli/run-program.ts';
import { withDatabase } from './command-database.ts';
import { terminalOf } from './terminal.ts';

/** `anyrag keys`: the keys that sign access tokens. They are rotated every month without it. */
process.exitCode = await runProgram(process.argv.slice(2), terminalOf(process), (program, output) => {
  program.name('anyrag keys').description('The keys that sign access tokens; a worker rotates them every month.');
  addList(program, output);
  addRotate(program, output);
});

function addList(program: Command, output: Output): void {
  program
    .command('list')
    .description('Shows the ids of all keys that verify, the one that signs first.')
    .action(() =>
      withDatabase(output, async (deps) => {
        const kids = (await (await openSigningKeys(deps)).publicKeys()).map(({ kid }) => kid as string);
        output.result(kids, () => kids.join('\n'));
      }),
    );
}

function addRotate(program: Command, output: Output): void {
  program
    .command('rotate')
    .description('Publishes the next key, which signs a quarter of an hour later. Nobody notices.')
    .option('--now', 'delete all keys instead, since somebody else may have one: access tokens end at once')
    .action(({ now }: { now?: boolean }) =>
      withDatabase(output, async (deps) => {
        if (now === true) {
          await revokeSigningKeys(deps, systemSubject());
          return output.result({ replaced: true }, () => 'Replaced all keys. Clients have to refresh their tokens.');
        }
        const { published } = await rotateSigningKeys(deps, systemSubject(), { atOnce: true });
        const done = published
          ? 'Published the next key.'
          : 'Nothing to do: the next key is published, or none is used yet.';
        output.result({ published }, () => done);
      }),
    );
}
